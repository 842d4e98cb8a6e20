package consul_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/consul"
)

// Follow tells of each answer that may be another one, and of errors; it begins anew after
// an error and when the index falls.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type step struct {
			next uint64
			err  error
		}
		steps := []step{{next: 5}, {next: 5}, {next: 7}, {err: errors.New("away")}, {next: 7}, {next: 3}, {next: 3}, {next: 4}}
		ctx, cancel := context.WithCancel(t.Context())
		var asked []uint64
		query := func(_ context.Context, index uint64, wait time.Duration) (int, uint64, error) {
			n := len(asked)
			if n == len(steps) {
				cancel()
				return 0, 0, ctx.Err()
			}
			asked = append(asked, index)
			if wait < 30*time.Second {
				t.Errorf("waits %s", wait)
			}
			return n, steps[n].next, steps[n].err
		}
		var told []string
		consul.Follow(ctx, query, func(n int, err error) { told = append(told, fmt.Sprint(n, " ", err)) })
		if want := []uint64{0, 5, 5, 7, 0, 7, 0, 3}; !slices.Equal(asked, want) {
			t.Errorf("asked with %v, expected %v", asked, want)
		}
		if want := []string{"0 <nil>", "2 <nil>", "3 away", "4 <nil>", "5 <nil>", "6 <nil>", "7 <nil>"}; !slices.Equal(told, want) {
			t.Errorf("told %q, expected %q", told, want)
		}
	})
}
