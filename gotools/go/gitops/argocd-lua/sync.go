package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/tracing"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"imagecache-operator/gotools/gitops/documents"
)

// Objects with this annotation are the Application's own, so those that are not on stdin are pruned.
const tracking = "argocd.argoproj.io/tracking-id"

// The controller of Argo CD looks again when an object changes; here it is often enough to miss nothing.
const pause = 200 * time.Millisecond

type progress struct {
	Phase   common.OperationPhase `json:"phase"`
	Message string                `json:"message"`
}

// synchronize makes one namespace be as the documents on stdin say, step by step as the controller does it, and tells
// each change of the operation's phase and message.
func synchronize(ctx context.Context, known overrides, kubeconfig, namespace string, options []string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// One user with a whole API server: the limits of a shared one would only slow the first look down.
	config.QPS, config.Burst = 200, 400
	targets, err := readTargets(namespace)
	if err != nil {
		return err
	}
	quiet := logr.Discard()
	kubectl := &kube.KubectlCmd{Log: quiet, Tracer: tracing.NopTracer{}}
	cluster := cache.NewClusterCache(config, cache.SetNamespaces([]string{namespace}), cache.SetLogr(quiet),
		cache.SetPopulateResourceInfoHandler(func(it *unstructured.Unstructured, _ bool) (any, bool) {
			_, ours := it.GetAnnotations()[tracking]
			return ours, ours
		}))
	if err := cluster.EnsureSynced(); err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, option := range options {
		asked[option] = true
	}
	pruneOption := (*string)(nil)
	if asked["Prune=confirm"] {
		value := common.SyncValueConfirm
		pruneOption = &value
	}
	var results []common.ResourceSyncResult
	told, now := progress{}, progress{Phase: common.OperationRunning}
	began := metav1.Now()
	for out := json.NewEncoder(os.Stdout); ; time.Sleep(pause) {
		live, err := cluster.GetManagedLiveObjs(targets, func(it *cache.Resource) bool { return it.Info == true })
		if err != nil {
			return err
		}
		compared := sync.Reconcile(targets, live, namespace, cluster)
		step, cleanup, err := sync.NewSyncContext("main", compared, config, config, kubectl, namespace,
			sync.WithLogr(quiet),
			sync.WithOperationSettings(false, true, false, false),
			sync.WithHealthOverride(lua.ResourceHealthOverrides(known)),
			sync.WithInitialState(now.Phase, now.Message, results, began),
			sync.WithDefaultPruneOption(pruneOption),
			sync.WithPruneConfirmed(asked["confirmed"]))
		if err != nil {
			return err
		}
		step.Sync(ctx)
		now.Phase, now.Message, results = step.GetState()
		cleanup()
		if now != told {
			if err := out.Encode(now); err != nil {
				return err
			}
			told = now
		}
		if now.Phase.Completed() {
			return nil
		}
	}
}

func readTargets(namespace string) ([]*unstructured.Unstructured, error) {
	var targets []*unstructured.Unstructured
	err := documents.Read(func(document []byte) error {
		target, err := documents.Resource(document)
		if err != nil {
			return err
		}
		annotations := target.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[tracking] = namespace
		target.SetAnnotations(annotations)
		target.SetNamespace(namespace)
		targets = append(targets, target)
		return nil
	})
	return targets, err
}
