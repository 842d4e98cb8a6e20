package e2e_test

import (
	"fmt"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// SIGHUP makes HAProxy read renewed files, and does not end the agent.
func TestHangupReloadsHAProxy(t *testing.T) {
	n, _ := servingOneOf(t, 1, 1)
	for range 2 {
		before := n.reloads()
		if err := n.agent.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error {
			if now := n.reloads(); now <= before {
				return fmt.Errorf("HAProxy counts %d reloads", now)
			}
			return nil
		})
	}
	select {
	case <-n.exit:
		t.Error("the agent has ended")
	default:
	}
}
