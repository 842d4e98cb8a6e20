package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"thalassa/backup"
	"thalassa/lb"
	"thalassa/stage"
	"thalassa/store"
)

const passphrase = "correct horse battery"

func TestTextsAreSealed(t *testing.T) {
	t.Parallel()
	text := []byte("a secret key")
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	sealed, err := store.SealTexts(map[string][]byte{digest: text}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, text) || bytes.Contains(sealed, []byte(digest)) {
		t.Error("the text is readable")
	}
	if opened, err := store.OpenTexts(sealed, passphrase); err != nil || !bytes.Equal(opened[digest], text) {
		t.Errorf("%q, %v", opened, err)
	}
	field := func(err error) string {
		invalid, ok := errors.AsType[*lb.InvalidError](err)
		if !ok {
			t.Fatal(err)
		}
		return invalid.Fields[0].Path
	}
	if _, err := store.OpenTexts(sealed, passphrase+"x"); field(err) != "passphrase" || strings.Contains(err.Error(), "horse") {
		t.Error(err)
	}
	if _, err := store.OpenTexts(sealed, "short"); field(err) != "passphrase" {
		t.Error(err)
	}
	if _, err := store.SealTexts(nil, "short"); field(err) != "passphrase" {
		t.Error(err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if i%97 == 0 { // each takes a while
			if _, err := store.OpenTexts(damaged, passphrase); err == nil {
				t.Errorf("byte %d is damaged, and nobody sees it", i)
			}
		}
	}
	other, err := store.SealTexts(map[string][]byte{digest: []byte("another text")}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenTexts(other, passphrase); field(err) != "body" {
		t.Error(err)
	}
}

func TestABackupHasKeys(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := store.WriteBackup(&out, backup.Header{}, stage.Backup{Intent: lb.NewIntent(), Keys: []byte("sealed")}); err != nil {
		t.Fatal(err)
	}
	h, b, err := store.ReadBackup(&out)
	if err != nil || h.Version != backup.KeysVersion || string(b.Keys) != "sealed" {
		t.Errorf("%+v, %q, %v", h, b.Keys, err)
	}
}
