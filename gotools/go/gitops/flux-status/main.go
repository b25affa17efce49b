// Flux's own judgement of resources:
//
//	flux-status kstatus               what Flux takes each for that no expression is given for
//	flux-status cel KUSTOMIZATION     the same with the health check expressions of that Kustomization
//	flux-status kustomization         the Kustomizations themselves, checked for fields that there are not
//
// The resources are YAML documents (or JSON) on stdin; each gives one line of JSON on stdout.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"imagecache-operator/gotools/gitops/documents"
)

// judgement is what Flux takes a resource for, and why where it says so.
type judgement struct {
	Status  status.Status `json:"status"`
	Message string        `json:"message,omitempty"`
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	switch {
	case len(arguments) == 1 && arguments[0] == "kstatus":
		return documents.EachResource(func(resource *unstructured.Unstructured) (any, error) {
			result, err := status.Compute(resource)
			if err != nil {
				return nil, err
			}
			return judgement{result.Status, result.Message}, nil
		})
	case len(arguments) == 2 && arguments[0] == "cel":
		content, err := os.ReadFile(arguments[1])
		if err != nil {
			return err
		}
		kustomization := &kustomizev1.Kustomization{}
		if err := yaml.UnmarshalStrict(content, kustomization); err != nil {
			return fmt.Errorf("%s: %w", arguments[1], err)
		}
		// The reader looks up resources by a mapping of kinds; those that it is handed need none.
		makeReader, err := cel.NewStatusReader(kustomization.Spec.HealthCheckExprs)
		if err != nil {
			return fmt.Errorf("%s: %w", arguments[1], err)
		}
		reader := makeReader(nil)
		return documents.EachResource(func(resource *unstructured.Unstructured) (any, error) {
			result, err := reader.ReadStatusForObject(ctx, nil, resource)
			if err != nil {
				return nil, err
			}
			return judgement{result.Status, result.Message}, result.Error
		})
	case len(arguments) == 1 && arguments[0] == "kustomization":
		return documents.Each(func(document []byte) (any, error) {
			kustomization := &kustomizev1.Kustomization{}
			return kustomization, yaml.UnmarshalStrict(document, kustomization)
		})
	default:
		return errors.New("usage: flux-status kstatus, or cel KUSTOMIZATION, or kustomization")
	}
}
