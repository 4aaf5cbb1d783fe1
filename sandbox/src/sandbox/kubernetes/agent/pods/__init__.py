"""Pods that are no launchers, run as local processes: enough of a kubelet for a Helm chart's Deployments.

A Pod runs here when each of its containers' programs (its command, else the image's last name) is installed beside this interpreter;
any other shows ErrImagePull. There is no isolation; what takes its place:

- every Pod has a loopback address of its own (127.x.y.z): a program must listen on the one it is given (fieldRef status.podIP);
- volumes (Secret, ConfigMap, emptyDir) are folders; a mountPath in command, arguments or environment is replaced by the folder's path;
- in place of /var/run/secrets/kubernetes.io/serviceaccount there is a KUBECONFIG with the ServiceAccount's token, beside the usual
  KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.

`launch` reads a Pod's spec, `container` keeps one process, `probes` asks it, `kubelet` does what the API server says, and `logs` is the
kubelet's endpoint. Every container is restarted when it ends, as Deployments want it.
"""
