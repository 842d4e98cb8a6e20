package agent_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/internal/permit"
	"thalassa/lb"
)

var errRevoked = errors.New("the token is not known")

// revocable is a context whose right ends with a call of revoke.
func revocable(ctx context.Context) (out context.Context, revoke func()) {
	var revoked atomic.Bool
	ask := func() error {
		if revoked.Load() {
			return errRevoked
		}
		return nil
	}
	return permit.With(ctx, ask), func() { revoked.Store(true) }
}

// TestARevokedDeployIsNotCarriedOut: the right is lost and the instance appears at the
// same moment, so nothing but the last question can tell.
func TestARevokedDeployIsNotCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		ctx, revoke := revocable(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := fx.agent.Switch(ctx, lb.Switch{Backend: "b", Version: "1.1.0", Wait: time.Minute})
			ended <- err
		}()
		pause(t.Context(), 10*time.Second)
		revoke()
		fx.consul("shop", 2, "", "1.0.0 1001", "1.1.0 1101")
		if err := <-ended; !errors.Is(err, errRevoked) {
			t.Errorf("the deploy gave %v", err)
		}
		fx.serves("1001")
		if fx.count(activity.BackendSwitched) != 0 {
			t.Errorf("the events are %v", fx.verbs())
		}
	})
}

// TestARevokedChangeIsNotCarriedOut: it waits for others, in the queue or for the lock.
func TestARevokedChangeIsNotCarriedOut(t *testing.T) {
	for name, change := range map[string]lb.Backend{
		"with a reload":    {Key: "revoked", Type: "static", Balance: "roundrobin", Mode: "http"},
		"without a reload": {Key: "b", Type: "dynamic", Service: "shop", Version: "1.1.0", Balance: "roundrobin", Mode: "http"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				fx.reload = 2 * time.Second
				fx.ready("1.0.0 1001", "1.1.0 1101")
				var all sync.WaitGroup
				all.Go(func() { _, _ = fx.putNative("first", "timeout server 1s") })
				pause(t.Context(), 100*time.Millisecond)
				ctx, revoke := revocable(t.Context())
				all.Go(func() {
					if _, err := fx.agent.Edit(ctx, lb.Edit{Backend: &change}); !errors.Is(err, errRevoked) {
						t.Errorf("the change gave %v", err)
					}
				})
				pause(t.Context(), 100*time.Millisecond)
				revoke()
				all.Wait()
				if _, err := fx.putNative("last", "timeout server 2s"); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(fx.config(), "revoked") {
					t.Errorf("HAProxy runs\n%s", fx.config())
				}
				fx.serves("1001")
			})
		})
	}
}

// TestARevokedMemberChangeIsNotCarriedOut: it waits for a reload under way.
func TestARevokedMemberChangeIsNotCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.reload = 2 * time.Second
		fx.ready("1.0.0 1001")
		var all sync.WaitGroup
		all.Go(func() { _, _ = fx.putNative("first", "timeout server 1s") })
		pause(t.Context(), 100*time.Millisecond)
		ctx, revoke := revocable(t.Context())
		all.Go(func() {
			if _, _, err := fx.agent.SetMember(ctx, lb.MemberChange{Backend: "b", Member: "127.0.0.1:1001", State: lb.StateDrain}); !errors.Is(err, errRevoked) {
				t.Errorf("the change of a member gave %v", err)
			}
		})
		pause(t.Context(), 100*time.Millisecond)
		revoke()
		all.Wait()
		if list := fx.agent.Snapshot().Overrides.All(); len(list) > 0 {
			t.Errorf("overrides %+v", list)
		}
	})
}
