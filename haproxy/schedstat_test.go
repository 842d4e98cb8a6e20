package haproxy_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
)

func TestOccupiedGrowsWithWork(t *testing.T) {
	before, err := haproxy.Occupied(os.Getpid())
	if err != nil {
		t.Skip("the kernel does not tell: ", err)
	}
	testkit.Eventually(t, time.Minute, func() error {
		for range 1_000_000 { // is work
			before++
			before--
		}
		now, err := haproxy.Occupied(os.Getpid())
		if err == nil && now < before+20*time.Millisecond {
			err = fmt.Errorf("%s after %s", now, before)
		}
		return err
	})
	if got, err := haproxy.Occupied(0); err == nil {
		t.Errorf("nobody was occupied for %s", got)
	}
}
