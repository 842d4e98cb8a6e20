package routes_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/routes"
)

// folder is a directory of files with ways out of it.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "images")
	for path, text := range map[string]string{
		"secret": "secret", "images/a.txt": "0123456789", "images/.htpasswd": "secret", "images/.git/config": "secret",
		"images/docs/index.html": "<p>docs", "images/empty/keep": "", "images/b c.svg": "<svg/>", "images/50%": "half",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"out": "../secret", "outside": dir, "absolute": "/etc/passwd", "inside.txt": "a.txt", "up": ".."} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{Path: "/img/", Files: folder(t)})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/img/a.txt": {200, "0123456789"}, "/img/inside.txt": {200, "0123456789"}, "/img/docs/": {200, "<p>docs"}, "/img/b%20c.svg": {200, "<svg/>"},
		"/img/50%25": {200, "half"}, "/img": {301, ""}, "/img/docs": {301, ""},
		"/img/": {404, ""}, "/img/empty/": {404, ""}, "/img/nothing": {404, ""}, "/img/a.txt/": {404, ""}, "/img/a.txt/x": {404, ""},
		"/img/out": {404, ""}, "/img/outside/secret": {404, ""}, "/img/absolute": {404, ""}, "/img/up/secret": {404, ""}, "/img/fifo": {404, ""},
		"/img/.htpasswd": {404, ""}, "/img/.git/config": {404, ""}, "/img/docs/.x": {404, ""},
		"/img/../secret": {400, ""}, "/img/docs/../a.txt": {400, ""}, "/img/./a.txt": {400, ""}, "/img//a.txt": {400, ""}, "/img//etc/passwd": {400, ""},
		"/img/..%2fsecret": {400, ""}, "/img/%2e%2e/secret": {400, ""}, "/img/%2e%2e%2fsecret": {400, ""}, "/img/%252e%252e/secret": {400, ""},
		"/img/..%252fsecret": {400, ""}, "/img/%25252e%25252e/x": {400, ""}, "/img/..%5csecret": {400, ""}, "/img/a.txt%00.png": {400, ""},
		"/img/docs%2findex.html": {400, ""}, "/img/..;/secret": {400, ""}, "/img/..%20/secret": {400, ""}, "/img/%20..;x/secret": {400, ""}, "/img/%C2%A0../secret": {400, ""}, "/img/.../secret": {400, ""}, "/img/%c0%ae%c0%ae/secret": {400, ""}, "/img/x%c0%afy": {400, ""}, "/%69mg/a.txt": {400, ""}, "/img%2fa.txt": {400, ""},
		"/img/a.txt%0d%0aX:y": {400, ""}, "/img/%2525252525252e": {400, ""},
	} {
		res, body := get(t, s, path)
		if res.StatusCode != want.status || want.body != "" && body != want.body {
			t.Errorf("%s: %d %q, want %d %q", path, res.StatusCode, body, want.status, want.body)
		}
	}
	if res, _ := get(t, s, "/img?x=1"); res.Header.Get("Location") != "/img/?x=1" {
		t.Errorf("sent to %q", res.Header.Get("Location"))
	}
}

func TestFilesAreCachedAndReadInParts(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := site(t, routes.Config{}, routes.Entry{Path: "/img/", Files: dir}, routes.Entry{Path: "/app/", Files: dir, Scripts: true})
	res, _ := get(t, s, "/img/a.txt")
	tag := res.Header.Get("Etag")
	h := res.Header
	if tag == "" || h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("Cache-Control") != "private, no-cache" ||
		h.Get("Content-Security-Policy") != "script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'" {
		t.Errorf("headers %v", h)
	}
	if res, _ := get(t, s, "/app/a.txt"); res.Header.Get("Content-Security-Policy") != "frame-ancestors 'self'; object-src 'none'; base-uri 'self'" {
		t.Errorf("with scripts: %v", res.Header)
	}
	if res, body := get(t, s, "/img/a.txt", "If-None-Match: "+tag); res.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("with the tag: %d %q", res.StatusCode, body)
	}
	if res, body := get(t, s, "/img/a.txt", "Range: bytes=2-4", "If-Range: "+tag); res.StatusCode != http.StatusPartialContent || body != "234" {
		t.Errorf("a range: %d %q", res.StatusCode, body)
	}
	if res, _ := get(t, s, "/img/a.txt", "Range: bytes=20-"); res.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a range beyond the end: %d", res.StatusCode)
	}
	path := filepath.Join(dir, "a.txt")
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if res, _ := get(t, s, "/img/a.txt", "If-None-Match: "+tag); res.StatusCode != http.StatusOK {
		t.Errorf("a changed file: %d", res.StatusCode)
	}
	if res, _ := get(t, s, "/img/fifo"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a FIFO: %d", res.StatusCode)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "TRACE", "OPTIONS"} {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/img/a.txt", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
}

// A file that is a secret is not served, whatever its name is, and when it becomes one.
func TestSecretsAreNotServed(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	secret := filepath.Join(elsewhere, "tokens")
	for path, text := range map[string]string{secret: "admin ops secret", filepath.Join(dir, "page.txt"): "page", filepath.Join(dir, "later.txt"): "later"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(secret, filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	secrets := []string{filepath.Join(elsewhere, "missing"), secret}
	all, err := routes.Parse([]routes.Entry{{Path: "/files/", Files: dir}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	router := routes.New(routes.Config{Secrets: func() []string { return secrets }}, all)
	status := func(name string) int {
		t.Helper()
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/files/"+name, nil)
		err := router.Find(r.URL.Path).Serve(w, r, routes.Caller{Name: "ann"})
		if f, ok := errors.AsType[*routes.ServeError](err); ok {
			return f.Status
		}
		return w.Code
	}
	if got := []int{status("page.txt"), status("link.txt"), status("later.txt")}; !slices.Equal(got, []int{200, 404, 200}) {
		t.Errorf("answers %v", got)
	}
	secrets = append(secrets, filepath.Join(dir, "later.txt"))
	if got := status("later.txt"); got != 404 {
		t.Errorf("a new secret: %d", got)
	}
}

// The directory of a route may be replaced by another one, but not by a link to anywhere.
func TestAReplacedDirectory(t *testing.T) {
	t.Parallel()
	parent, elsewhere := t.TempDir(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fill := func(dir, text string) string {
		t.Helper()
		must(os.MkdirAll(dir, 0o755))
		must(os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text), 0o644))
		return dir
	}
	fill(elsewhere, "elsewhere")
	site1, up := filepath.Join(parent, "site"), filepath.Join(parent, "up")
	fill(site1, "first")
	fill(filepath.Join(up, "site"), "below")
	must(os.Symlink(fill(filepath.Join(parent, "release1"), "one"), filepath.Join(parent, "current")))
	all, err := routes.Parse([]routes.Entry{
		{Path: "/site/", Files: site1},
		{Path: "/up/", Files: filepath.Join(up, "site")},
		{Path: "/current/", Files: filepath.Join(parent, "current")},
		{Path: "/later/", Files: filepath.Join(parent, "later")},
	}, nil)
	must(err)
	secret := fill(filepath.Join(parent, "database", "certificates"), "key")
	var log strings.Builder
	router := routes.New(routes.Config{
		Secrets: func() []string { return []string{filepath.Join(parent, "database")} }, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, all)
	shows := func(when, path, want string) {
		t.Helper()
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path+"a.txt", nil)
		if err := router.Find(r.URL.Path).Serve(w, r, routes.Caller{Name: "ann"}); err != nil && want != "" || w.Body.String() != want {
			t.Errorf("%s: %s has %q, %v, expected %q", when, path, w.Body, err, want)
		}
	}
	replace := func(path, to string) { // by a link, or by a directory
		t.Helper()
		must(os.Rename(path, path+".old"))
		if to == "" {
			must(os.Rename(fill(path+".new", "second"), path))
		} else {
			must(os.Symlink(to, path))
		}
	}
	shows("at first", "/site/", "first")
	shows("at first", "/up/", "below")
	shows("at first", "/current/", "one")
	shows("at first", "/later/", "")
	replace(site1, "")
	shows("after a deployment by rename", "/site/", "second")
	must(os.Rename(site1, site1+".second"))
	must(os.Symlink(elsewhere, site1))
	shows("after it became a link", "/site/", "")
	if text := log.String(); !strings.Contains(text, "symbolic link that was not there") || strings.Count(text, "level=WARN") != 1 {
		t.Errorf("log: %s", text)
	}
	shows("after it became a link", "/site/", "")
	if text := log.String(); strings.Count(text, "level=WARN") != 1 {
		t.Errorf("log: %s", text)
	}
	must(os.Rename(filepath.Join(elsewhere, "a.txt"), filepath.Join(elsewhere, "b.txt")))
	fill(filepath.Join(elsewhere, "site"), "elsewhere")
	replace(up, elsewhere)
	shows("after a directory above it became a link", "/up/", "")
	link := filepath.Join(parent, "current")
	must(os.Remove(link))
	must(os.Symlink(fill(filepath.Join(parent, "release2"), "two"), link))
	shows("after its own link leads elsewhere", "/current/", "two")
	must(os.Remove(link))
	must(os.Symlink(secret, link))
	shows("after its own link leads to secrets", "/current/", "")
	must(os.Remove(link))
	must(os.Symlink(parent, link))
	must(os.Symlink(filepath.Join("database", "certificates"), filepath.Join(parent, "keys")))
	must(os.Symlink(filepath.Join("database", "certificates", "a.txt"), filepath.Join(parent, "key.txt")))
	for _, path := range []string{"database/certificates/", "keys/", "key.txt?"} {
		shows("after its own link leads to a directory above secrets", "/current/"+path, "")
	}
	shows("after its own link leads to a directory above secrets", "/current/release1/", "one")
	fill(filepath.Join(parent, "later"), "later")
	shows("after it was made", "/later/", "later")
	router.Replace(all)
	fill(elsewhere, "elsewhere")
	shows("after the settings were read again", "/site/", "elsewhere")
}

// A file with a second name may be one that only the agent can read.
func TestHardLinksAreNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(outside, []byte("userlist"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(outside, filepath.Join(dir, "cfg.txt")); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s := site(t, routes.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, routes.Entry{Path: "/img/", Files: dir})
	for range 2 {
		if res, body := get(t, s, "/img/cfg.txt"); res.StatusCode != http.StatusNotFound || strings.Contains(body, "userlist") {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
	if text := log.String(); strings.Count(text, "several names") != 1 || !strings.Contains(text, "cfg.txt") {
		t.Errorf("log: %s", text)
	}
	if err := os.Remove(outside); err != nil {
		t.Fatal(err)
	}
	if res, body := get(t, s, "/img/cfg.txt"); res.StatusCode != http.StatusOK || body != "userlist" {
		t.Errorf("with one name: %d %q", res.StatusCode, body)
	}
}

// What only the agent may read is not served, however it has come into the directory.
func TestPrivateFilesAreNotServed(t *testing.T) {
	t.Parallel()
	dir, db := t.TempDir(), filepath.Join(t.TempDir(), "db")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(path string, mode os.FileMode) {
		t.Helper()
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(os.WriteFile(path, []byte("text"), mode))
		must(os.Chmod(path, mode))
	}
	write(filepath.Join(db, "thalassa.db"), 0o600)
	write(filepath.Join(db, "haproxy.cfg"), 0o640)
	write(filepath.Join(db, "keys", "public.txt"), 0o644)
	must(os.Chmod(filepath.Join(db, "keys"), 0o750))
	write(filepath.Join(dir, "page.txt"), 0o644)
	write(filepath.Join(dir, "open", "page.txt"), 0o444)
	write(filepath.Join(dir, "odd", "page.txt"), 0o604)
	must(os.Chmod(filepath.Join(dir, "odd"), 0o711))
	must(os.Symlink(filepath.Join("moved", "thalassa.db"), filepath.Join(dir, "link.txt")))
	// A hard link becomes the only name when the file is replaced.
	must(os.Link(filepath.Join(db, "haproxy.cfg"), filepath.Join(dir, "cfg.txt")))
	write(filepath.Join(db, "new"), 0o640)
	must(os.Rename(filepath.Join(db, "new"), filepath.Join(db, "haproxy.cfg")))
	must(os.Rename(db, filepath.Join(dir, "moved")))
	var log strings.Builder
	s := site(t, routes.Config{Secrets: func() []string { return []string{db} }, Logger: slog.New(slog.NewTextHandler(&log, nil))}, routes.Entry{Path: "/img/", Files: dir})
	shows := func(path string, status int) {
		t.Helper()
		if res, _ := get(t, s, "/img/"+path); res.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, status)
		}
	}
	for _, path := range []string{"page.txt", "open/page.txt", "odd/page.txt"} {
		shows(path, http.StatusOK)
	}
	for _, path := range []string{"moved/thalassa.db", "moved/haproxy.cfg", "moved/keys/public.txt", "link.txt", "cfg.txt"} {
		shows(path, http.StatusNotFound)
	}
	if text := log.String(); !strings.Contains(text, "its mode 0640 does not let every user read it") || !strings.Contains(text, "in a directory that is not for every user") {
		t.Errorf("log: %s", text)
	}
	must(os.Chmod(dir, 0o750)) // as when the database takes the place of the directory
	shows("page.txt", http.StatusNotFound)
}
