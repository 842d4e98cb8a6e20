package hrapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"thalassa/api"
	"thalassa/api/hrapi"
)

// A repository is an artifact repository over HTTP, as pyHrapi uses one: versions of names,
// and a file in each.
type repository struct {
	mu       sync.Mutex
	versions map[string][]string
	files    map[string]string
	failures int // so many requests fail first
	seen     []string
}

func (r *repository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, req.Method+" "+req.URL.Path)
	if req.Header.Get("Authorization") != "Basic bmFtZTpzZWNyZXQ=" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.failures > 0 {
		r.failures--
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	path := strings.TrimPrefix(req.URL.Path, "/v1/repositories/mlbc/artifacts/")
	parts := strings.Split(path, "/")
	switch {
	case req.Method == http.MethodGet && len(parts) == 1 && r.versions[path] != nil:
		_, _ = io.WriteString(w, `{"data":["`+strings.Join(r.versions[path], `","`)+`"]}`)
	case req.Method == http.MethodGet && r.files[path] != "":
		_, _ = io.WriteString(w, r.files[path])
	case req.Method == http.MethodPut && len(parts) == 2:
		r.versions[parts[0]] = append(r.versions[parts[0]], parts[1])
		_, _ = io.WriteString(w, `{"code":0}`)
	case req.Method == http.MethodPut && len(parts) == 4:
		data, _ := io.ReadAll(req.Body)
		r.files[path] = string(data)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestArtifactRepository(t *testing.T) {
	t.Parallel()
	r := &repository{versions: map[string][]string{"db": {"9", "10"}}, files: map[string]string{}}
	server := httptest.NewServer(r)
	defer server.Close()
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	if err := os.WriteFile(credentials, []byte("name:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *api.Config) {
		c.Dialects = []api.Dialect{hrapi.New(hrapi.Config{Backups: filepath.Join(dir, "backups"), Artifacts: server.URL + "/", ArtifactCredentials: credentials, HAProxyConfig: c.HAProxyConfig})}
	})
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"10.0.0.1:80"}}`, 200, "Added")
	// It counts on from the versions that the repository has, by number.
	f.want("POST", "/v1/controller/backup/db", "", 200, `{"success":"uploaded db.db","version":11,"repository":"stored"}`)
	if data := r.files["db/11/files/db.db"]; !strings.Contains(data, "10.0.0.1") {
		t.Errorf("the repository has %v", r.files)
	}
	// A server that fails for a moment is asked again.
	r.failures = 2
	f.want("POST", "/v1/controller/backup/db", "", 200, `{"success":"uploaded db.db","version":12,"repository":"stored"}`)
	// What there is no file of comes from the repository, checked as a file is.
	f.want("DELETE", "/v1/pools/p", "", 200, "Delete")
	if err := os.RemoveAll(filepath.Join(dir, "backups")); err != nil {
		t.Fatal(err)
	}
	f.want("GET", "/v1/controller/restore/db/11", "", 200, `{"success":"restored database"}`)
	f.want("GET", "/v1/pools", "", 200, `{"Pools":["p"]}`)
	f.want("GET", "/v1/controller/restore/db/13", "", 404, `{"error":"not found","db list":[]}`)
	r.files["db/12/files/db.db"] = strings.Replace(r.files["db/12/files/db.db"], "10.0.0.1", "10.0.0.2", 1)
	f.want("GET", "/v1/controller/restore/db/12", "", 409, "not usable")
	// haproxy.cfg has numbers of its own.
	f.want("POST", "/v1/controller/commit", "", 200, "Started")
	f.want("POST", "/v1/controller/backup/config", "", 200, `{"success":"uploaded config.db","version":1,"repository":"stored"}`)
	if data := r.files["config/1/files/config.db"]; !strings.Contains(data, "backend p") {
		t.Errorf("the repository has %v", r.files)
	}
	f.want("GET", "/v1/controller/restore/config/1", "", 409, "upload")
	// One that fails for good is told in the answer and by readyz; the file is there.
	r.failures = 1000
	f.want("POST", "/v1/controller/backup/db", "", 200, `it answers 502`)
	f.want("GET", "/readyz", "", 200, "the last backup of /v1 is not in the artifact repository")
	f.want("GET", "/v1/controller/restore/db/1", "", 200, "restored")
	f.want("GET", "/v1/controller/restore/db/2", "", 503, "it answers 502")
	r.failures = 0
	f.want("POST", "/v1/controller/backup/db", "", 200, `"repository": "stored"`)
	if _, answer, _ := f.do("GET", "/readyz", ""); strings.Contains(answer, "artifact") {
		t.Errorf("readyz still warns: %s", answer)
	}
	if err := os.WriteFile(credentials, []byte("other:secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := len(r.seen)
	f.want("POST", "/v1/controller/backup/db", "", 200, `it answers 401`)
	if got := len(r.seen) - before; got != 2 {
		t.Errorf("a refusal was asked for %d times, want once for the versions and once for the file", got)
	}
	_, answer, _ := f.do("GET", "/readyz", "")
	if strings.Contains(answer, server.URL) || strings.Contains(answer, credentials) {
		t.Errorf("readyz tells everybody too much: %s", answer)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("POST", "/v1/haproxy/control/stop", "", 409, "v1-stop")
}
