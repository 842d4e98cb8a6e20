package haproxy_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// TestReloadRightAfterSomebodyElses: HAProxy 3.2 resets connections when it is to
// reload at the moment in which the worker of another reload takes over.
func TestReloadRightAfterSomebodyElses(t *testing.T) {
	each(t, func(fx *fixture) {
		fx.apply("one")
		load := testkit.StartLoad(fx.t, testkit.LoadConfig{Address: fx.address(), Host: "test", KeepAlive: 4, Fresh: 4, Pause: 2 * time.Millisecond, For: 4 * time.Minute})
		load.Await(50)
		for i := range 40 {
			if err := syscall.Kill(fx.state().MasterPID, syscall.SIGUSR2); err != nil {
				fx.t.Fatal(err)
			}
			<-time.After(time.Duration(i) * time.Millisecond / 2) // when it takes over differs
			fx.apply(fmt.Sprint("word", i))
		}
		if result := load.Stop(); result.Failed > 0 {
			fx.t.Errorf("%d of %d requests failed: %q", result.Failed, result.Requests, result.Errors)
		}
	})
}
