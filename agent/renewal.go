package agent

import (
	"context"
	"sync/atomic"

	"thalassa/internal/wake"
	"thalassa/lb"
)

// renewals are requests to reload HAProxy because files that haproxy.cfg names, such as
// certificates, may have changed. The methods may be called from any goroutine.
type renewals struct {
	poke   wake.Poke
	number atomic.Uint64 // of the last request
}

// request asks for a reload.
func (r *renewals) request() {
	r.number.Add(1)
	r.poke.Send()
}

// reloadFiles reloads HAProxy, which reads all files again, and returns when the new
// worker serves. If HAProxy refuses what it reads, the former worker keeps serving.
func (c *changes) reloadFiles(ctx context.Context, by lb.Origin) (lb.Applied, error) {
	begin := c.cfg.Now()
	if err := c.lock.lockFor(ctx); err != nil {
		return lb.Applied{}, err
	}
	defer c.lock.unlock()
	in, err := c.inputs.intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	expected := c.outcomes.expect(expectation{revision: in.Revision, renewal: c.renewals.number.Load() + 1, by: by})
	defer c.outcomes.forget(expected)
	c.renewals.request()
	out := c.outcomes.await(ctx, expected)
	if isRefusal(out.err) {
		return lb.Applied{}, out.err
	}
	applied := lb.Applied{Applied: out.err == nil, Path: out.path, Duration: c.cfg.Now().Sub(begin), Revision: in.Revision}
	if out.err != nil {
		applied.Path, applied.Reason = pathNone, out.err.Error()
	}
	return applied, nil
}

// isRefusedRenewal reports whether HAProxy has refused the files that an operator wants it
// to read, who gets the refusal as the answer.
func (o *outcomes) isRefusedRenewal(out outcome) bool {
	e := o.current()
	return e != nil && e.renewal > 0 && e.isMetBy(out) && isRefusal(out.err)
}
