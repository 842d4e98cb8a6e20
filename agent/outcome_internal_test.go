package agent

import (
	"context"
	"testing"

	"thalassa/internal/wake"
)

// TestNobodyIsToldAfterGivingUp: where a change has given up waiting, the outcome of its
// round counts as expected by nobody, so that a refusal is reverted.
func TestNobodyIsToldAfterGivingUp(t *testing.T) {
	o := &outcomes{look: wake.NewPoke(), ended: newLatch(), views: &wake.Signal{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := o.await(ctx, o.expect(expectation{revision: 1})); out.err == nil {
		t.Errorf("got %+v without a round", out)
	}
	if o.report(outcome{revision: 1}) {
		t.Error("a change that has given up is to revert what was refused")
	}
	e := o.expect(expectation{revision: 2})
	if !o.report(outcome{revision: 2, path: pathReload}) {
		t.Error("nobody expects what a change waits for")
	}
	if out := o.await(t.Context(), e); out.path != pathReload {
		t.Errorf("got %+v", out)
	}
}
