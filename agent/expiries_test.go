package agent_test

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/agent"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/store"
)

// expiring is a certificate that lives for some days.
func expiring(key lb.Name, sum string, from time.Time, days int) lb.Certificate {
	return lb.Certificate{Key: key, Files: []lb.PEMFile{{
		Digest: strings.Repeat(sum, 64), KeyType: "RSA",
		Chain: []lb.X509{{SHA256: sum, NotBefore: from, NotAfter: from.AddDate(0, 0, days)}},
	}}}
}

// TestExpiriesAreToldOnce lets months pass, with a restart every few days.
func TestExpiriesAreToldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		day := func() string { return strconv.Itoa(int(time.Since(begin).Hours() / 24)) }
		var told []string
		put := func(db *store.DB, c lb.Certificate) {
			before, err := db.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			next, err := before.Apply(lb.Edit{Certificate: &c})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Commit(t.Context(), before.Revision, next, lb.Origin{Time: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		for run := range 20 {
			db, err := store.Open(path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			switch run {
			case 0:
				put(db, expiring("long", "a", begin, 90))
				put(db, expiring("short", "b", begin, 6)) // renewed at two thirds of its life
			case 19:
				put(db, expiring("long", "c", begin.AddDate(0, 0, 30), 70)) // which is as close to its end
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*24*time.Hour+time.Hour)
			x := agent.Expiries{Intents: db, Store: db, Now: time.Now, Every: time.Hour, Logger: testkit.Logger(t), Journal: noted(func(e activity.Event) {
				told = append(told, day()+" "+e.Object.Key)
			})}
			if err := x.Run(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		want := "5 short, 6 short, 76 long, 83 long, 87 long, 89 long, 90 long, 95 long, 97 long, 99 long, 100 long"
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("told %s\nexpected %s", got, want)
		}
	})
}

type noted func(activity.Event)

func (n noted) Note(e activity.Event)       { n(e) }
func (n noted) Flush(context.Context) error { return nil }
