// manifests prints the objects that virt-operator would install, one JSON document a line, for a cluster in which
// virt-api and virt-controller run outside as plain processes.
//
//	manifests -certificates DIR [-port N] crds | base | hooks
//
// crds are the CustomResourceDefinitions; base is namespace, accounts, RBAC, CA bundles and the KubeVirt object; hooks
// are what sends requests to virt-api, so they come when it serves. Certificates are made in DIR at the first call and
// kept, because bundles and servers of all calls must agree.
package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/components"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/install"
	"kubevirt.io/kubevirt/pkg/virt-operator/util"
)

const (
	namespace = "kubevirt"
	validity  = 365 * 24 * time.Hour
)

// Those that a process outside the cluster, or the played virt-handler, must show.
var served = map[string]bool{
	components.VirtApiCertSecretName:           true,
	components.VirtControllerCertSecretName:    true,
	components.VirtHandlerCertSecretName:       true,
	components.VirtHandlerServerCertSecretName: true,
}

func main() {
	directory := flag.String("certificates", "", "where certificates are made and kept")
	port := flag.Int("port", 0, "loopback port of virt-api (for hooks)")
	flag.Parse()
	if *directory == "" || flag.NArg() != 1 {
		log.Fatal("usage: manifests -certificates DIR [-port N] crds | base | hooks")
	}
	if err := emit(flag.Arg(0), *directory, int32(*port)); err != nil {
		log.Fatal(err)
	}
}

func emit(part, directory string, port int32) error {
	own := &kubevirt.KubeVirt{ObjectMeta: meta.ObjectMeta{Name: "kubevirt", Namespace: namespace}}
	strategy, err := install.GenerateCurrentInstallStrategy(util.GetTargetConfigFromKV(own), "", namespace)
	if err != nil {
		return err
	}
	bundle, err := certificates(directory)
	if err != nil {
		return err
	}
	switch part {
	case "crds":
		return crds(strategy)
	case "base":
		return base(strategy, own, bundle)
	case "hooks":
		return hooks(strategy, bundle, port)
	}
	return fmt.Errorf("%q is none of crds, base, hooks", part)
}

func crds(strategy *install.Strategy) error {
	kind, err := components.NewKubeVirtCrd()
	if err != nil {
		return err
	}
	for _, item := range append(strategy.CRDs(), kind) {
		if err := write("apiextensions.k8s.io/v1", "CustomResourceDefinition", item); err != nil {
			return err
		}
	}
	return nil
}

func base(strategy *install.Strategy, own *kubevirt.KubeVirt, bundle []byte) error {
	w := &writer{}
	w.write("v1", "Namespace", &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespace}})
	for _, item := range strategy.ServiceAccounts() {
		w.write("v1", "ServiceAccount", item)
	}
	for _, item := range strategy.ClusterRoles() {
		w.write("rbac.authorization.k8s.io/v1", "ClusterRole", item)
	}
	for _, item := range strategy.ClusterRoleBindings() {
		w.write("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", item)
	}
	for _, item := range strategy.Roles() {
		w.write("rbac.authorization.k8s.io/v1", "Role", item)
	}
	for _, item := range strategy.RoleBindings() {
		w.write("rbac.authorization.k8s.io/v1", "RoleBinding", item)
	}
	for _, item := range strategy.ConfigMaps() { // the CA bundles that KubeVirt's parts read
		item.Data = map[string]string{"ca-bundle": string(bundle)}
		w.write("v1", "ConfigMap", item)
	}
	w.write("kubevirt.io/v1", "KubeVirt", own)
	return w.err
}

// hooks reach a process on this machine: its Service is an alias of localhost, and the port stands in each reference.
// KubeVirt's own certificate is made out to the Service, so it fits.
func hooks(strategy *install.Strategy, bundle []byte, port int32) error {
	if port == 0 {
		return errors.New("hooks need -port")
	}
	w := &writer{}
	alias := core.ServiceSpec{Type: core.ServiceTypeExternalName, ExternalName: "localhost"}
	w.write("v1", "Service", &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: components.VirtApiServiceName, Namespace: namespace}, Spec: alias,
	})
	for _, item := range strategy.APIServices() {
		item.Spec.Service.Port, item.Spec.CABundle = &port, bundle
		w.write("apiregistration.k8s.io/v1", "APIService", item)
	}
	direct := func(to *admission.WebhookClientConfig) bool {
		to.Service.Port, to.CABundle = &port, bundle
		return to.Service.Name == components.VirtApiServiceName // the others are virt-operator's, which does not run here
	}
	for _, item := range strategy.ValidatingWebhookConfigurations() {
		ours := false
		for i := range item.Webhooks {
			ours = direct(&item.Webhooks[i].ClientConfig)
		}
		if ours {
			w.write("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", item)
		}
	}
	for _, item := range strategy.MutatingWebhookConfigurations() {
		for i := range item.Webhooks {
			direct(&item.Webhooks[i].ClientConfig)
		}
		w.write("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", item)
	}
	return w.err
}

// writer remembers the first error, so that a list of objects reads as a list.
type writer struct{ err error }

func (w *writer) write(version, kind string, item any) {
	if w.err == nil {
		w.err = write(version, kind, item)
	}
}

// write prints one object; without status, which is for the cluster to fill.
func write(version, kind string, item any) error {
	text, err := json.Marshal(item)
	if err != nil {
		return err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	delete(fields, "status")
	fields["apiVersion"], fields["kind"] = version, kind
	text, err = json.Marshal(fields)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}

// certificates makes what is not in the directory yet, and returns the CA that signs them all.
func certificates(directory string) ([]byte, error) {
	bundle, err := os.ReadFile(filepath.Join(directory, components.KubeVirtCASecretName+".crt"))
	if !errors.Is(err, fs.ErrNotExist) {
		return bundle, err
	}
	for _, secret := range components.NewCACertSecrets(namespace) {
		if secret.Name != components.KubeVirtCASecretName {
			continue
		}
		if err := sign(secret, nil, directory); err != nil {
			return nil, err
		}
		authority, err := components.LoadCertificates(secret)
		if err != nil {
			return nil, err
		}
		for _, leaf := range components.NewCertSecrets(namespace, namespace) {
			if served[leaf.Name] {
				if err := sign(leaf, authority, directory); err != nil {
					return nil, err
				}
			}
		}
		return secret.Data["tls.crt"], nil
	}
	return nil, errors.New("this KubeVirt has no CA of that name")
}

// sign fills a secret as KubeVirt itself does, and stores it as files for processes outside the cluster.
func sign(secret *core.Secret, authority *tls.Certificate, directory string) error {
	err := components.PopulateSecretWithCertificate(secret, authority, &meta.Duration{Duration: validity})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	for _, part := range []string{"key", "crt"} {
		file := filepath.Join(directory, secret.Name+"."+part)
		if err := os.WriteFile(file, secret.Data["tls."+part], 0o600); err != nil {
			return err
		}
	}
	return nil
}
