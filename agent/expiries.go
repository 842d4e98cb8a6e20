package agent

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"time"

	"thalassa/activity"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// expiryEvery is the default of Expiries.Every.
const expiryEvery = time.Minute

// Expiries writes events about certificates that expire soon or have expired: one for each
// threshold of a certificate (lb.Certificate.Expiry), also over restarts.
type Expiries struct {
	Intents Intents
	Store   ExpiryStore
	Journal Journal
	Now     func() time.Time
	Every   time.Duration // between two checks; default: a minute
	Logger  *slog.Logger
}

// An ExpiryStore keeps over a restart which events have been written.
type ExpiryStore interface {
	LoadExpiries(ctx context.Context) (map[lb.Name]lb.Expiry, error)
	SaveExpiries(ctx context.Context, told map[lb.Name]lb.Expiry) error
}

// Run checks each revision, and all certificates at intervals, until ctx ends, which is no error.
func (x Expiries) Run(ctx context.Context) error {
	told, err := x.Store.LoadExpiries(ctx)
	if err != nil {
		told = map[lb.Name]lb.Expiry{}
		x.Logger.WarnContext(ctx, "reading the sent warnings about certificates failed", "error", err)
	}
	for {
		in, err := x.Intents.Load(ctx)
		if err != nil {
			return wake.UnlessOver(ctx, err)
		}
		told = x.tell(ctx, in, told)
		if err := x.pause(ctx, in.Revision); err != nil {
			return wake.UnlessOver(ctx, err)
		}
	}
}

// pause waits for another revision, at most until the next check.
func (x Expiries) pause(ctx context.Context, revision uint64) error {
	short, cancel := context.WithTimeout(ctx, cmp.Or(x.Every, expiryEvery))
	defer cancel()
	err := x.Intents.Wait(short, revision)
	if ctx.Err() == nil && short.Err() != nil {
		return nil
	}
	return err
}

// tell notes the events that are due, and returns what has been told. What cannot be stored
// is told again after a restart.
func (x Expiries) tell(ctx context.Context, in lb.Intent, told map[lb.Name]lb.Expiry) map[lb.Name]lb.Expiry {
	now := map[lb.Name]lb.Expiry{}
	for _, c := range in.SortedCertificates() {
		expiry, ok := c.Expiry(x.Now())
		if !ok {
			continue
		}
		now[c.Key] = expiry
		if told[c.Key] != expiry {
			x.Journal.Note(activity.Event{
				Verb: activity.CertificateExpiring, Object: activity.Object{ID: c.ID(), Type: "certificate", Key: string(c.Key)},
				Reasons: append([]string{c.ExpiryWarning(x.Now())}, usedBy(in, c)...), Revision: in.Revision,
			})
		}
	}
	if maps.Equal(now, told) {
		return told
	}
	if err := x.Store.SaveExpiries(ctx, now); err != nil && ctx.Err() == nil {
		x.Logger.WarnContext(ctx, "storing the sent warnings about certificates failed", "error", err)
	}
	return now
}

// usedBy says where a certificate is used, if anywhere.
func usedBy(in lb.Intent, c lb.Certificate) []string {
	users := in.CertificateUsers(c.Key)
	if len(users) == 0 {
		return nil
	}
	return []string{"used by " + enumerate(users)}
}
