package store_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thalassa/store"
)

const halfBroken = "\ufeff" + `{"version":1,"frontends":[
	{"key":"web","bind":"*:443 ssl crt /etc/ssl/x.pem","backend":"live"},
	{"key":"raw","bind":"","backend":"live","natives":["bind *:444 ssl crt /etc/ssl/x.pem"]},
	{"key":"same","bind":"0.0.0.0:80","backend":"live"},
	{"key":"plain","bind":"*:80","backend":"live"},
	{"key":"nowhere","bind":"*:81","backend":"gone"},
	{"key":"bad","bind":"nonsense","backend":"live"},
	{"key":"tobad","bind":"*:82","backend":"live","rules":[{"type":"path","operation":"path","value":"/","backend":"broken"}]},
	7],
	"backends":[{"key":"live","type":"static","members":[{"host":"10.0.0.1","port":80}]},{"key":"broken","type":"nonsense"}]}`

func TestImportTakesWhatItCan(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "persist.json")
	if err := os.WriteFile(path, []byte(halfBroken), 0o600); err != nil {
		t.Fatal(err)
	}
	im, found, err := store.ImportPersistence(path)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	var keys []string
	for _, f := range im.Intent.SortedFrontends() {
		keys = append(keys, string(f.Key))
	}
	if want := []string{"plain", "raw", "web"}; !slices.Equal(keys, want) {
		t.Errorf("imported are %v, expected %v", keys, want)
	}
	if err := im.Intent.Validate(); err != nil {
		t.Error(err)
	}
	left := strings.Join(im.Left, "\n")
	for _, name := range []string{`frontends["bad"].bind`, "frontend/same", "frontend/nowhere", "frontend/tobad", `backends["broken"].type`, "frontends[7]"} {
		if !strings.Contains(left, name) {
			t.Errorf("%q does not name %s", left, name)
		}
	}
	im.Drop("backend/live", "nobody needs it")
	if len(im.Intent.Frontends)+len(im.Intent.Backends) != 0 {
		t.Errorf("left are %+v", im.Intent)
	}
	for n, want := range []string{".imported", ".imported-2"} {
		kept, err := store.KeepImported(path)
		data, readErr := os.ReadFile(kept)
		if err != nil || readErr != nil || kept != path+want || string(data) != halfBroken {
			t.Errorf("copy %d is %s, %v, %v", n, kept, err, readErr)
		}
	}
}

func TestImportOfNoPersistenceFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "no JSON", `[]`, `{"version": 9}`} {
		path := filepath.Join(t.TempDir(), "persist.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if im, found, err := store.ImportPersistence(path); err != nil || !found || len(im.Left) != 1 || len(im.Intent.Frontends) != 0 {
			t.Errorf("%q: %+v, %t, %v", text, im, found, err)
		}
	}
	if _, found, err := store.ImportPersistence(filepath.Join(t.TempDir(), "none")); found || err != nil {
		t.Errorf("no file: %t, %v", found, err)
	}
}
