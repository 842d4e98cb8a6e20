package ui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// home is the first page.
const home = "/overview"

// draftsPage is the list of drafts; each has a page below it.
const draftsPage = "/drafts"

// clustersPage shows other clusters; each has pages below it.
const clustersPage = "/clusters"

// pages are the paths of pages, besides those of single objects.
func pages() []string {
	return []string{"/", home, "/activity", "/config", "/certificates", draftsPage, "/cluster", "/cluster/config", "/cluster/jobs", clustersPage, "/simulator", "/history", "/login", "/account", "/access", "/audit", "/openapi"}
}

// Paths are those of pages and of assets. What is below them may belong to a Site, too.
func Paths() []string { return append(pages(), assetPrefix) }

// IsPage reports whether browsers get a page under the path. The API may use the
// same path for programs.
func IsPage(path string) bool {
	if slices.Contains(pages(), path) {
		return true
	}
	for _, kind := range []string{home + "/backends/", home + "/frontends/", draftsPage + "/", "/cluster/resources/", "/cluster/nodes/"} {
		if key, ok := strings.CutPrefix(path, kind); ok {
			return key != "" && !strings.Contains(key, "/")
		}
	}
	return isClusterPage(path)
}

// isClusterPage reports whether a path is that of another cluster's page, of its configuration,
// history or jobs, or of one of its resources or nodes.
func isClusterPage(path string) bool {
	rest, ok := strings.CutPrefix(path, clustersPage+"/")
	parts := strings.Split(rest, "/")
	if !ok || slices.Contains(parts, "") {
		return false
	}
	return len(parts) == 1 || len(parts) == 2 && slices.Contains([]string{"history", "config", "jobs"}, parts[1]) || len(parts) == 3 && (parts[1] == "resources" || parts[1] == "nodes")
}

// Serves reports whether a Site answers the request: for an asset, or for a page if
// the client prefers text/html. Programs do not, and get the API's answer.
func Serves(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return strings.HasPrefix(r.URL.Path, assetPrefix) ||
		IsPage(r.URL.Path) && prefersHTML(strings.Join(r.Header.Values("Accept"), ","))
}

// WantsPage reports whether to answer a request for an address that nothing else serves with a
// page: the client prefers text/html, as browsers do.
func WantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !strings.HasPrefix(r.URL.Path, assetPrefix) &&
		prefersHTML(strings.Join(r.Header.Values("Accept"), ","))
}

// prefersHTML reports whether an Accept header lists text/html with a higher quality
// than JSON. "*/*" does not count: programs send it.
func prefersHTML(accept string) bool {
	var html, json float64
	for part := range strings.SplitSeq(accept, ",") {
		name, q := quality(part)
		switch name {
		case "text/html", "application/xhtml+xml":
			html = max(html, q)
		case "application/json":
			json = q
		}
	}
	return html > json
}

// acceptsGzip reports whether an Accept-Encoding header allows gzip.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if name, q := quality(part); name == "gzip" && q > 0 {
			return true
		}
	}
	return false
}

// quality splits an element of a header like Accept into its value and its weight.
func quality(part string) (name string, q float64) {
	fields := strings.Split(part, ";")
	q = 1
	for _, parameter := range fields[1:] {
		if value, ok := strings.CutPrefix(strings.TrimSpace(parameter), "q="); ok {
			q, _ = strconv.ParseFloat(value, 64) // an invalid number counts as 0
		}
	}
	return strings.ToLower(strings.TrimSpace(fields[0])), q
}
