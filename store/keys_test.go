package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/stage"
	"thalassa/store"
)

func named(text string) (digest string, texts map[string][]byte) {
	sum := sha256.Sum256([]byte(text))
	digest = hex.EncodeToString(sum[:])
	return digest, map[string][]byte{digest: []byte(text)}
}

// Keys are read back as they were stored, encrypted or not, and only their owner reads the
// files.
func TestKeys(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte("0123456789abcdef"), 2)
	for name, secret := range map[string][]byte{"plain": nil, "encrypted": secret} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "certificates")
			keys, err := store.OpenKeys(dir, secret)
			must(t, err)
			digest, texts := named("-----BEGIN PRIVATE KEY-----")
			must(t, keys.Put(texts))
			must(t, keys.Put(texts)) // again
			text, err := keys.Text(digest)
			must(t, err)
			if string(text) != "-----BEGIN PRIVATE KEY-----" || !keys.Has(digest) {
				t.Errorf("read back %q", text)
			}
			entries, err := os.ReadDir(dir)
			must(t, err)
			for _, e := range entries {
				info, err := e.Info()
				must(t, err)
				content, err := os.ReadFile(filepath.Join(dir, e.Name()))
				must(t, err)
				if info.Mode().Perm() != 0o600 || bytes.Contains(content, []byte("PRIVATE")) != (secret == nil) {
					t.Errorf("%s has mode %v, and content %q", e.Name(), info.Mode(), content)
				}
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the folder has mode %v, %v", info.Mode(), err)
			}
			other, _ := named("other")
			if _, err := keys.Text(other); !errors.Is(err, fs.ErrNotExist) || keys.Has(other) {
				t.Errorf("a text that is not stored: %v", err)
			}
			if _, err := keys.Text("../" + digest); err == nil || keys.Has("../certificates/"+digest) {
				t.Error("a path counts as a digest")
			}
			if err := keys.Put(map[string][]byte{other: []byte("wrong")}); err == nil {
				t.Error("a text is stored under the digest of another")
			}
		})
	}
}

// A key file encrypts what is stored already; afterwards the files need it.
func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, err := store.OpenKeys(dir, nil)
	must(t, err)
	digest, texts := named("secret")
	must(t, keys.Put(texts))
	keys, err = store.OpenKeys(dir, bytes.Repeat([]byte("a"), 32))
	must(t, err)
	text, err := keys.Text(digest)
	must(t, err)
	if string(text) != "secret" {
		t.Errorf("read back %q", text)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.pem")); len(files) > 0 {
		t.Errorf("still not encrypted: %v", files)
	}
	for name, secret := range map[string][]byte{"none": nil, "another one": bytes.Repeat([]byte("b"), 32)} {
		keys, err = store.OpenKeys(dir, secret)
		must(t, err)
		if _, err := keys.Text(digest); err == nil {
			t.Errorf("%s: read without the key file", name)
		}
	}
	if _, err := store.OpenKeys(dir, []byte("short")); err == nil {
		t.Error("a short key file is accepted")
	}
	sealed, err := filepath.Glob(filepath.Join(dir, "*.sealed"))
	must(t, err)
	content, err := os.ReadFile(sealed[0])
	must(t, err)
	content[len(content)-1] ^= 1
	must(t, os.WriteFile(sealed[0], content, 0o600))
	keys, err = store.OpenKeys(dir, bytes.Repeat([]byte("a"), 32))
	must(t, err)
	if _, err := keys.Text(digest); err == nil {
		t.Error("a damaged file is accepted")
	}
}

// Sweep keeps what objects, drafts and revisions name, and what was stored just now.
func TestSweepOfKeys(t *testing.T) {
	t.Parallel()
	db, err := store.Open(filepath.Join(t.TempDir(), "db"), store.Options{})
	must(t, err)
	defer db.Close()
	keys, err := store.OpenKeys(t.TempDir(), nil)
	must(t, err)
	var base uint64
	put := func(text string) string {
		digest, texts := named(text)
		must(t, keys.Put(texts))
		return digest
	}
	commit := func(c lb.Certificate) {
		in, err := lb.Intent{}.Apply(lb.Edit{Certificate: &c})
		must(t, err)
		rev, err := db.Commit(t.Context(), base, in, lb.Origin{})
		must(t, err)
		base = rev.Number
	}
	former, now, unused, undone, drafted := put("former"), put("now"), put("unused"), put("undone"), put("drafted")
	for _, digest := range []string{former, now} {
		commit(lb.Certificate{Key: "shop", Files: []lb.PEMFile{{Digest: digest, KeyType: "RSA", Chain: []lb.X509{{Serial: "1"}}}}})
	}
	draft := stage.Draft{ID: "next"}
	for _, digest := range []string{undone, drafted} { // the first one comes back with an undo
		in, err := db.Load(t.Context())
		must(t, err)
		c := lb.Certificate{Key: "next", Files: []lb.PEMFile{{Digest: digest, KeyType: "RSA", Chain: []lb.X509{{Serial: "1"}}}}}
		next, err := draft.With(in, []lb.Edit{{Certificate: &c}}, time.Now())
		must(t, err)
		draft = next.Since(draft, lb.Origin{})
	}
	_, createErr := store.NewDrafts(db).CreateDraft(t.Context(), draft)
	must(t, createErr)
	inUse, err := db.KeysInUse(t.Context())
	must(t, err)
	if removed, err := keys.Sweep(t.Context(), inUse, time.Now()); err != nil || removed != 0 {
		t.Errorf("removed %d new ones, %v", removed, err)
	}
	removed, err := keys.Sweep(t.Context(), inUse, time.Now().Add(2*time.Hour))
	must(t, err)
	if !keys.Has(undone) || !keys.Has(drafted) {
		t.Errorf("removed keys of a draft: drafted %v, undone %v", !keys.Has(drafted), !keys.Has(undone))
	}
	if removed != 1 || keys.Has(unused) || !keys.Has(former) || !keys.Has(now) {
		t.Errorf("removed %d: unused %v, former %v, now %v", removed, keys.Has(unused), keys.Has(former), keys.Has(now))
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
