package agent

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/haproxy"
)

// A journal keeps the events that it gets.
type journal []activity.Event

func (j *journal) Note(e activity.Event) { *j = append(*j, e) }

func (j *journal) Flush(context.Context) error { return nil }

func TestReloadsWaitForOldWorkersThatCostTooMuch(t *testing.T) {
	for _, c := range []struct {
		name      string
		old       haproxy.OldWorkers
		relief    time.Duration // when they end; 0: never
		min, most time.Duration
		cause     string
	}{
		{"few", haproxy.OldWorkers{Count: 3, Memory: 100 << 20, Reloads: 899}, 0, 0, 0, ""},
		{"memory", haproxy.OldWorkers{Count: 9, Memory: 101 << 20, Reloads: 9}, 0, maxSlowdown, maxSlowdown + time.Second, "9 old workers use 101 MiB of memory, more than 100 MiB"},
		{"relieved", haproxy.OldWorkers{Count: 9, Memory: 101 << 20}, 2 * time.Second, 2 * time.Second, 3 * time.Second, "9 old workers"},
		{"a small limit", haproxy.OldWorkers{Count: 1, Memory: 1, Reloads: 45, MaxReloads: 50}, 0, maxSlowdown, maxSlowdown + time.Second, "an old worker has seen 45 reloads"},
		{"below a small limit", haproxy.OldWorkers{Count: 1, Memory: 1, Reloads: 44, MaxReloads: 50}, 0, 0, 0, ""},
		{"a large limit", haproxy.OldWorkers{Count: 1, Memory: 1, Reloads: 1700, MaxReloads: 2000}, 0, 0, 0, ""},
		{"reloads", haproxy.OldWorkers{Count: 1, Memory: 1, Reloads: 900}, 0, maxSlowdown, maxSlowdown + time.Second, "an old worker has seen 900 reloads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var notes journal
				begin := time.Now()
				s := slowdown{cfg: &Config{
					Logger: slog.New(slog.DiscardHandler), Journal: &notes, OldWorkerMemory: 100 << 20,
					OldWorkers: func(context.Context) haproxy.OldWorkers {
						if c.relief > 0 && time.Since(begin) >= c.relief {
							return haproxy.OldWorkers{}
						}
						return c.old
					},
				}}
				waited, err := s.wait(t.Context())
				if took := time.Since(begin); err != nil || waited != (c.min > 0) || took < c.min || took > c.most {
					t.Errorf("waited %t for %v, %v", waited, took, err)
				}
				if _, err := s.wait(t.Context()); err != nil {
					t.Error(err)
				}
				if c.cause == "" && len(notes) > 0 || c.cause != "" && (len(notes) != 1 || notes[0].Verb != activity.ReloadsSlowed || !strings.HasPrefix(notes[0].Cause, c.cause)) {
					t.Errorf("events %+v, want %q", notes, c.cause)
				}
			})
		})
	}
}
