// Package documents answers documents: YAML or JSON on stdin, one line of JSON on stdout for each.
package documents

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Read hands over every document as it is.
func Read(take func(document []byte) error) error {
	in := yamlstream.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(document); err != nil {
			return err
		}
	}
}

// Each answers every document as it is.
func Each(answer func(document []byte) (any, error)) error {
	out := json.NewEncoder(os.Stdout)
	return Read(func(document []byte) error {
		given, err := answer(document)
		if err != nil {
			return err
		}
		return out.Encode(given)
	})
}

// EachResource answers every document as a Kubernetes object, with whole numbers as clients of a cluster get them.
func EachResource(answer func(resource *unstructured.Unstructured) (any, error)) error {
	return Each(func(document []byte) (any, error) {
		resource, err := Resource(document)
		if err != nil {
			return nil, err
		}
		return answer(resource)
	})
}

// Resource reads one document as a Kubernetes object.
func Resource(document []byte) (*unstructured.Unstructured, error) {
	content, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, err
	}
	resource := &unstructured.Unstructured{}
	return resource, resource.UnmarshalJSON(content)
}
