// virt-controller, unchanged: what turns VirtualMachines into instances and launcher Pods.
package main

import "kubevirt.io/kubevirt/pkg/virt-controller/watch"

func main() {
	watch.Execute()
}
