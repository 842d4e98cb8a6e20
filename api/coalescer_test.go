package api_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/api"
	"thalassa/lb"
)

// slowLook is how long a look at HAProxy takes.
const slowLook = time.Second

// A slowNode counts the looks at it.
type slowNode struct {
	api.Views
	looks atomic.Int32
}

func (n *slowNode) Status(ctx context.Context) (lb.Status, error) {
	n.looks.Add(1)
	st, err := n.Views.Status(ctx)
	time.Sleep(slowLook) // in a bubble
	return st, err
}

// TestProbesShareALook: those who come while HAProxy is asked share the next look, and
// are told of nothing that was before they came. One who goes away takes nothing from
// the others.
func TestProbesShareALook(t *testing.T) {
	const probes = 20
	slow := &slowNode{}
	inBubble(t, func(c *api.Config) { slow.Views = c.Views; c.Views = slow }, func(b *bubble) {
		t := b.t
		before := slow.looks.Load()
		first := b.goSend(t.Context(), "GET", "/readyz", "")
		b.SetDown(true)
		leaving, leave := context.WithCancel(t.Context())
		left := b.goSend(leaving, "GET", "/readyz", "")
		var others []<-chan outcome
		for range probes {
			others = append(others, b.goSend(t.Context(), "GET", "/readyz", ""))
		}
		if n := slow.looks.Load() - before; n != 1 {
			t.Errorf("%d looks while one is under way", n)
		}
		leave()
		if o := <-left; o.err == nil || o.after != 0 {
			t.Errorf("the one who went away: %+v", o)
		}
		if o := <-first; o.status != 200 || o.after != slowLook {
			t.Errorf("the first: %+v", o)
		}
		synctest.Wait()
		for _, other := range others {
			if o := <-other; o.status != 503 || o.after != 2*slowLook || !strings.Contains(o.body, "not running") {
				t.Errorf("one of those who came later: %+v", o)
			}
		}
		if n := slow.looks.Load() - before; n != 2 {
			t.Errorf("%d looks for %d probes", n, probes+2)
		}
	})
}
