package lb_test

import (
	"testing"
	"time"

	"thalassa/lb"
)

func TestCheckInterval(t *testing.T) {
	t.Parallel()
	if got := (lb.Backend{}).CheckInterval(); got != 2*time.Second {
		t.Errorf("without a check: %v", got)
	}
	if got := (lb.Backend{Health: &lb.Health{Interval: time.Minute}}).CheckInterval(); got != time.Minute {
		t.Errorf("with one: %v", got)
	}
}
