package agent_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/lb"
)

// keys are the digests that are stored.
type keys map[string]bool

func (k keys) Has(digest string) bool { return k[digest] }

func (k keys) Stored([]string) map[string]bool { return k }

func (k keys) Text(string) ([]byte, error) { return nil, fs.ErrNotExist }

// A certificate without its key is refused, as one of a former revision may be; it changes
// nothing of HAProxy while no frontend serves it.
func TestCertificateNeedsItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		stored, soon, late, gone := strings.Repeat("1a", 32), strings.Repeat("2b", 32), strings.Repeat("3c", 32), strings.Repeat("4d", 32)
		known := keys{stored: true, soon: true, late: true}
		fx.keys = known
		fx.ready("1.0.0 1001")
		attempts := fx.attempts()
		put := func(digest string, life time.Duration) (lb.Applied, error) {
			return fx.agent.Edit(t.Context(), lb.Edit{Certificate: &lb.Certificate{Key: "shop", Files: []lb.PEMFile{{
				Digest: digest, KeyType: "ECDSA", Chain: []lb.X509{{NotAfter: time.Now().Add(life).UTC()}},
			}}}})
		}
		applied, err := put(stored, 90*24*time.Hour)
		if err != nil || !applied.Applied || applied.Path != "none" || fx.attempts() != attempts {
			t.Fatalf("%+v, %v, and %d reloads", applied, err, fx.attempts()-attempts)
		}
		conflict, ok := errors.AsType[*lb.ConflictError](second(put(gone, time.Hour)))
		if !ok || conflict.ID != "certificate/shop" || !strings.Contains(conflict.Reason, gone) {
			t.Errorf("a key that is gone: %v", conflict)
		}
		in, err := fx.Load(t.Context())
		if err != nil || in.Revision != applied.Revision || in.Certificates["shop"].Files[0].Digest != stored {
			t.Errorf("%+v is stored, %v", in, err)
		}
		warned := func(text string) bool {
			status, err := fx.agent.Status(t.Context())
			return err == nil && slices.ContainsFunc(status.Warnings, func(w string) bool { return strings.HasPrefix(w, text) })
		}
		if warned("certificate/shop") {
			t.Error("a warning of a certificate that is all right")
		}
		if _, err := put(soon, 13*24*time.Hour); err != nil || !warned("certificate/shop expires on ") {
			t.Errorf("no warning of the end, %v", err)
		}
		if _, err := put(late, -time.Minute); err != nil || !warned("certificate/shop expired on ") {
			t.Errorf("no warning after the end, %v", err)
		}
		delete(known, late)
		if !warned("certificate/shop is not stored with its key") {
			t.Error("no warning of a key that is gone")
		}
	})
}

func second[T any](_ T, err error) error { return err }
