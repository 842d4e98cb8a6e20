package agent

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// storedOverrides are what an earlier run has stored.
type storedOverrides []lb.Override

func (s storedOverrides) LoadOverrides(context.Context) ([]lb.Override, error) { return s, nil }

func (s storedOverrides) SaveOverrides(context.Context, []lb.Override) error { return nil }

// A stored override lasts as long as it had left when the agent started, whatever somebody
// sets the clock to then.
func TestStoredOverridesFollowNoClockThatJumps(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock(t)
	until := time.Now().Add(30 * time.Minute).UTC().Round(0) // as it is read
	member := lb.HostPort{Host: "192.0.2.1", Port: 80}
	cfg := Config{
		Now: clock.Now, Logger: slog.New(slog.DiscardHandler),
		Overrides: storedOverrides{{Backend: "live", Member: member, State: lb.StateDrain, Until: until}},
	}
	m := memberStates{cfg: &cfg, inputs: &inputs{}}
	m.load(t.Context())
	loaded := m.inputs.overrides.Load()
	in := lb.Intent{Backends: map[lb.Name]lb.Backend{"live": {Key: "live", Type: "dynamic"}}}
	for _, ahead := range []time.Duration{0, 24 * time.Hour, -24 * time.Hour} {
		clock.Set(ahead)
		if living := loaded.Living(clock.Now(), in); living != loaded {
			t.Errorf("with the clock %s ahead, %d of 1 overrides are left", ahead, len(living.All()))
		}
		if left := loaded.NextEnd().Sub(clock.Now()); left > 30*time.Minute || left < 29*time.Minute {
			t.Errorf("with the clock %s ahead, it ends in %s", ahead, left)
		}
	}
	if end := loaded.All()[0].Until; !end.Round(0).Equal(until) {
		t.Errorf("it ends at %s, expected %s", end, until)
	}
}
