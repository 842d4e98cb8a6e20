// Package ui is the web UI: pages and assets embedded in the program. They are
// static; the data that they show comes from the API and the stream. The package
// serves them and nothing else.
//
// The pages are native ES modules below app/; the libraries in vendor/ are
// copied there by tools/ui/vendor. Nothing is bundled or compiled.
package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed page.html app vendor
var files embed.FS

// assetPrefix begins the path of every asset. The hash of all assets follows, so
// that browsers can cache them forever and load new ones after an upgrade.
const assetPrefix = "/ui/"

// A Site serves pages and assets. It is an http.Handler and safe for concurrent
// use. It makes what it serves at the first request.
type Site struct{ content func() content }

// content is what a Site serves.
type content struct {
	page   document
	policy string
	assets map[string]*document // by path
}

// A document is the response for a path.
type document struct {
	contentType string
	data        []byte
	tag         string        // ETag
	compressed  func() []byte // gzip; nil: it would not be smaller
}

// New returns the site of the embedded files.
func New() *Site { return &Site{content: sync.OnceValue(newContent)} }

func newContent() content {
	s := content{assets: map[string]*document{}}
	sources := sources()
	base := assetPrefix + digest(sources)
	for name, data := range sources {
		d := newDocument(contentType(name), data)
		s.assets[base+"/"+name] = &d
	}
	s.page = newDocument("text/html; charset=utf-8", page(base, sources))
	s.policy = policy(s.page.data)
	return s
}

// sources returns the files that a browser may load, by name.
func sources() map[string][]byte {
	out := map[string][]byte{}
	for _, dir := range []string{"app", "vendor"} {
		err := fs.WalkDir(files, dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || contentType(name) == "" {
				return err
			}
			out[name], err = files.ReadFile(name)
			return err
		})
		if err != nil {
			panic(err) // a broken build: the tests of this package read them
		}
	}
	return out
}

// digest is the hash of a set of files.
func digest(sources map[string][]byte) string {
	sum := sha256.New()
	for _, name := range names(sources) {
		fmt.Fprintf(sum, "%s %d ", name, len(sources[name]))
		sum.Write(sources[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func names(sources map[string][]byte) []string {
	list := make([]string, 0, len(sources))
	for name := range sources {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// contentType is the Content-Type of a file; empty if browsers may not load it.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return ""
}

func newDocument(contentType string, data []byte) document {
	sum := sha256.Sum256(data)
	return document{
		contentType: contentType, data: data, tag: `"` + hex.EncodeToString(sum[:8]) + `"`,
		compressed: sync.OnceValue(func() []byte { return compress(data) }),
	}
}

// compress returns data compressed with gzip; nil if that is not smaller.
func compress(data []byte) []byte {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || buf.Len() >= len(data) {
		return nil
	}
	return buf.Bytes()
}

// page is page.html with the base of the assets. Its head lists every module, so
// that a browser requests all of them at once.
func page(base string, sources map[string][]byte) []byte {
	source, err := files.ReadFile("page.html")
	if err != nil {
		panic(err) // a broken build
	}
	var preload strings.Builder
	for _, name := range names(sources) {
		if (path.Ext(name) == ".js" || path.Ext(name) == ".mjs") && !strings.HasPrefix(path.Base(name), "uplot") && !strings.HasPrefix(path.Base(name), "dagre") && name != "app/theme.js" {
			fmt.Fprintf(&preload, "  <link rel=\"modulepreload\" href=\"%s/%s\">\n", base, name)
		}
	}
	return []byte(strings.NewReplacer("{{base}}", base, "  {{preload}}\n", preload.String()).Replace(string(source)))
}

// policy is the Content-Security-Policy of the page. It allows only what this
// program serves, and no inline scripts or styles except the import map.
func policy(page []byte) string {
	inline := regexp.MustCompile(`(?s)<script type="importmap">(.*?)</script>`).FindSubmatch(page)
	sum := sha256.Sum256(inline[1])
	return "default-src 'none'; script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// ServeHTTP answers a request for which Serves is true.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.URL.Path == "/" {
		http.Redirect(w, r, home, http.StatusFound)
		return
	}
	if !strings.HasPrefix(r.URL.Path, assetPrefix) {
		s.setPageHeaders(h)
		html := s.content().page
		html.serve(w, r)
		return
	}
	asset := s.content().assets[r.URL.Path]
	if asset == nil { // perhaps of another version of the program
		http.NotFound(w, r)
		return
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	asset.serve(w, r)
}

// NotFound answers with the page and status 404. The page says that there is none at
// this address.
func (s *Site) NotFound(w http.ResponseWriter, r *http.Request) {
	s.setPageHeaders(w.Header())
	html := s.content().page
	w.Header().Set("Content-Type", html.contentType)
	w.Header().Add("Vary", "Accept")
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write(html.data) // it fails if the browser has gone
	}
}

// setPageHeaders sets the headers of a page.
func (s *Site) setPageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", s.content().policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
}

func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", d.contentType)
	h.Set("Etag", d.tag)
	h.Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), d.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	data := d.data
	if small := d.compressed(); small != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		data = small
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) // it fails if the browser has gone
	}
}
