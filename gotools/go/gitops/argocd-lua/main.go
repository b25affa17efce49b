// Argo CD's own judgement of resources, with the settings of an argocd-cm:
//
//	argocd-lua health CONFIG_MAP          what Argo CD shows of each resource
//	argocd-lua actions CONFIG_MAP         the actions that it offers for each
//	argocd-lua run CONFIG_MAP ACTION      what an action makes of each
//	argocd-lua diff CONFIG_MAP MANIFEST   whether each, as the cluster has it, is in sync with the manifest
//	argocd-lua application                the Applications themselves, checked for fields that there are not
//
// The resources are YAML documents (or JSON) on stdin; each gives one line of JSON on stdout. One more command does
// what the controller does with manifests, and tells each step of it:
//
//	argocd-lua sync CONFIG_MAP KUBECONFIG NAMESPACE [Prune=confirm] [confirmed]
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	log "github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"imagecache-operator/gotools/gitops/documents"
)

type overrides = map[string]v1alpha1.ResourceOverride

func main() {
	log.SetLevel(log.WarnLevel)
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "application" {
		return documents.Each(func(document []byte) (any, error) {
			application := &v1alpha1.Application{}
			return application, yaml.UnmarshalStrict(document, application)
		})
	}
	if len(arguments) < 2 {
		return errors.New("usage: argocd-lua application, or health|actions|run|diff|sync CONFIG_MAP and what else is asked for")
	}
	known, err := readOverrides(ctx, arguments[1])
	if err != nil {
		return fmt.Errorf("%s: %w", arguments[1], err)
	}
	machine := lua.VM{ResourceOverrides: known}
	switch command, rest := arguments[0], arguments[2:]; {
	case command == "health" && len(rest) == 0:
		return documents.EachResource(func(resource *unstructured.Unstructured) (any, error) {
			return health.GetResourceHealth(resource, lua.ResourceHealthOverrides(known))
		})
	case command == "actions" && len(rest) == 0:
		return documents.EachResource(func(resource *unstructured.Unstructured) (any, error) {
			scripts, err := machine.GetResourceActionDiscovery(resource)
			if err != nil {
				return nil, err
			}
			return machine.ExecuteResourceActionDiscovery(resource, scripts)
		})
	case command == "run" && len(rest) == 1:
		return documents.EachResource(func(resource *unstructured.Unstructured) (any, error) {
			action, err := machine.GetResourceAction(resource, rest[0])
			if err != nil {
				return nil, err
			}
			return machine.ExecuteResourceAction(resource, action.ActionLua, nil)
		})
	case command == "diff" && len(rest) == 1:
		return documents.EachResource(func(live *unstructured.Unstructured) (any, error) {
			return compare(ctx, known, rest[0], live)
		})
	case command == "sync" && len(rest) >= 2:
		return synchronize(ctx, known, rest[0], rest[1], rest[2:])
	default:
		return fmt.Errorf("%s with %d more words is no command", command, len(rest))
	}
}

// readOverrides reads them as the servers of Argo CD do, so that a key with a wrong name is not found here either.
func readOverrides(ctx context.Context, file string) (overrides, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	configMap, secret := &corev1.ConfigMap{}, &corev1.Secret{}
	if err := yaml.UnmarshalStrict(content, configMap); err != nil {
		return nil, err
	}
	secret.Name = "argocd-secret"
	for _, object := range []metav1.Object{configMap, secret} {
		object.SetNamespace("argocd")
		object.SetLabels(map[string]string{"app.kubernetes.io/part-of": "argocd"})
	}
	manager := settings.NewSettingsManager(ctx, fake.NewClientset(configMap, secret), "argocd")
	if err := manager.ResyncInformers(); err != nil {
		return nil, err
	}
	return manager.GetResourceOverrides()
}

func compare(ctx context.Context, known overrides, file string, live *unstructured.Unstructured) (any, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	wanted, err := documents.Resource(content)
	if err != nil {
		return nil, err
	}
	normalizer, err := normalizers.NewIgnoreNormalizer(nil, known, normalizers.IgnoreNormalizerOpts{})
	if err != nil {
		return nil, err
	}
	result, err := diff.Diff(ctx, wanted, live, diff.WithNormalizer(normalizer))
	if err != nil {
		return nil, err
	}
	return map[string]bool{"inSync": !result.Modified}, nil
}
