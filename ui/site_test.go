package ui_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/ui"
)

// site is what all tests ask.
var site = sync.OnceValue(ui.New)

func get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	site().ServeHTTP(w, r)
	return w
}

// Every address in the page, and every import of every module, names an asset with
// the right type that browsers may cache forever.
func TestAssetsExist(t *testing.T) {
	page := get(t, "/overview").Body.String()
	assets := regexp.MustCompile(`/ui/[0-9a-f]{16}/[^"]+`).FindAllString(page, -1)
	if len(assets) < 30 {
		t.Fatalf("the page names %d assets", len(assets))
	}
	modules := 0
	for _, path := range assets {
		resp := get(t, path)
		if resp.Code != http.StatusOK || resp.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Fatalf("%s: %d, cached %q", path, resp.Code, resp.Header().Get("Cache-Control"))
		}
		want := map[string]string{".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg"}[filepath.Ext(path)]
		if got := resp.Header().Get("Content-Type"); want == "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q", path, got)
		}
		if !strings.Contains(path, "/app/") || filepath.Ext(path) != ".js" {
			continue
		}
		modules++
		for _, m := range regexp.MustCompile(`(?m)^import .*? from "\./([^"]+)"`).FindAllStringSubmatch(resp.Body.String(), -1) {
			if next := path[:strings.LastIndex(path, "/")+1] + m[1]; !slices.Contains(assets, next) {
				t.Errorf("%s imports %s, which the page does not preload", path, m[1])
			}
		}
	}
	if modules < 20 {
		t.Errorf("%d modules checked", modules)
	}
}

// The page and our own modules name no other site, and nothing in them violates the
// policy.
func TestNoExternalResources(t *testing.T) {
	page := get(t, "/overview").Body.String()
	for _, path := range append([]string{"/overview"}, regexp.MustCompile(`/ui/[0-9a-f]+/app/[^"]+`).FindAllString(page, -1)...) {
		text := get(t, path).Body.String()
		for _, url := range regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s"'*]*`).FindAllString(text, -1) {
			if !strings.HasPrefix(url, "http://www.w3.org/") { // an XML namespace
				t.Errorf("%s names %s", path, url)
			}
		}
	}
	if regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script>`).MatchString(page) {
		t.Error("the page has inline styles or scripts")
	}
}

func TestAssetsAreCompressed(t *testing.T) {
	path := regexp.MustCompile(`/ui/[^"]+uplot\.mjs`).FindString(get(t, "/overview").Body.String())
	plain := get(t, path)
	data := plain.Body.Bytes()
	small := get(t, path, "Accept-Encoding: br;q=1, gzip")
	if small.Header().Get("Content-Encoding") != "gzip" || small.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("headers %v", small.Header())
	}
	packed := small.Body.Bytes()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(r); err != nil || !bytes.Equal(unpacked, data) {
		t.Errorf("the uncompressed asset differs: %v", err)
	}
	if len(packed)*2 > len(data) {
		t.Errorf("%d bytes compressed are %d", len(data), len(packed))
	}
	for _, header := range []string{"Accept-Encoding: gzip;q=0", "Accept-Encoding: identity"} {
		if resp := get(t, path, header); resp.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: compressed nevertheless", header)
		}
	}
}

func TestNotModified(t *testing.T) {
	first := get(t, "/overview")
	again := get(t, "/overview", "If-None-Match: "+first.Header().Get("Etag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("the same page again: %d", again.Code)
	}
	if other := get(t, "/overview", `If-None-Match: "0"`); other.Code != http.StatusOK {
		t.Errorf("another page: %d", other.Code)
	}
}

func TestAnAssetOfAnotherVersionIsNotFound(t *testing.T) {
	for _, path := range []string{"/ui/", "/ui/0123456789abcdef/app/main.js", "/ui/../page.html", "/ui/vendor/VERSIONS"} {
		if resp := get(t, path); resp.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.Code)
		}
	}
}

func TestServes(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, test := range []struct {
		method, path, accept string
		want                 bool
	}{
		{"GET", "/overview", browser, true},
		{"HEAD", "/overview/backends/live", browser, true},
		{"GET", "/", browser, true},
		{"GET", "/drafts", browser, true},
		{"GET", "/certificates", browser, true},
		{"GET", "/certificates/shop", browser, false},
		{"PUT", "/certificates", browser, false},
		{"GET", "/drafts/3", browser, true},
		{"GET", "/drafts/3/diff", browser, false},
		{"GET", "/drafts/3", "application/json", false},
		{"GET", "/activity", "application/json", false},
		{"GET", "/activity", "*/*", false},
		{"GET", "/activity", "", false},
		{"GET", "/activity", "application/json;q=0.5, text/html", true},
		{"GET", "/activity", "application/json, text/html", false},
		{"GET", "/activity", "text/html;q=nonsense", false},
		{"POST", "/overview", browser, false},
		{"GET", "/backends", browser, false},
		{"GET", "/overview/backends/", browser, false},
		{"GET", "/overview/servers/a", browser, false},
		{"GET", "/ui/anything", "*/*", true},
	} {
		r := httptest.NewRequest(test.method, test.path, http.NoBody)
		r.Header.Set("Accept", test.accept)
		if got := ui.Serves(r); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

// The vendored libraries are unchanged.
func TestVendoredFilesHaveTheirChecksums(t *testing.T) {
	sums, err := os.ReadFile("vendor/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"SHA256SUMS": true}
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := os.ReadFile(filepath.Join("vendor", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
			t.Errorf("vendor/%s has changed", name)
		}
		listed[name] = true
	}
	entries, err := os.ReadDir("vendor")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !listed[e.Name()] {
			t.Errorf("vendor/%s has no checksum", e.Name())
		}
	}
}

// Modules that need no browser are tested with Node.js, which takes a second.
func TestModules(t *testing.T) {
	node := testkit.Tool(t, "node")
	files, err := filepath.Glob("test/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	out, err := exec.Command(node, append([]string{"--test"}, files...)...).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("# fail 0")) || bytes.Contains(out, []byte("# pass 0")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPagesOfOtherClusters(t *testing.T) {
	for path, want := range map[string]bool{
		"/clusters": true, "/clusters/paris": true, "/clusters/paris/history": true, "/clusters/paris/config": true, "/clusters/paris/jobs": true, "/cluster/jobs": true, "/cluster/jobs/1": false, "/clusters/paris/nodes/n1": true, "/clusters/paris/resources/vip": true,
		"/clusters/": false, "/clusters//history": false, "/clusters/paris/": false, "/clusters/paris/nodes": false, "/clusters/paris/config/primitives": false, "/clusters/paris/history/1": false, "/clusters/paris/nodes/n1/x": false,
	} {
		if got := ui.IsPage(path); got != want {
			t.Errorf("%s is a page: %t, want %t", path, got, want)
		}
	}
}
