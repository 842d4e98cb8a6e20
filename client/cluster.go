package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Cluster is the configuration of the Pacemaker cluster of an agent, its drafts and its
// simulations. Documents are those of the API.
type Cluster struct{ transport transport }

// NewCluster is that of an agent.
func NewCluster(c *Client) Cluster { return Cluster{c.transport} }

// A ClusterChange is how a change of the configuration is made. The zero value makes it, and
// waits as long as the agent does by itself.
type ClusterChange struct {
	DryRun  bool
	Cascade bool // of a deletion
	Wait    time.Duration
}

func (h ClusterChange) query() string {
	q := url.Values{}
	if h.DryRun {
		q.Set("dryRun", "1")
	}
	if h.Cascade {
		q.Set("cascade", "1")
	}
	if h.Wait > 0 {
		q.Set("wait", h.Wait.String())
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// ClusterObjectPath is the path of an object, or of a kind where id is empty, or of all.
func ClusterObjectPath(kind, id string) string {
	parts := []string{"/cluster/config"}
	for _, part := range []string{kind, id} {
		if part != "" {
			parts = append(parts, url.PathEscape(part))
		}
	}
	return strings.Join(parts, "/")
}

// ClusterConfigText is the path of the whole configuration in a form: crm, the syntax of crmsh, or
// xml.
func ClusterConfigText(form string) string { return "/cluster/config." + form }

// Get reads the document at a path.
func (c Cluster) Get(ctx context.Context, path string, v any) error {
	_, err := c.transport.get(ctx, path, v)
	return err
}

// XML reads an object as XML, without secrets.
func (c Cluster) XML(ctx context.Context, kind, id string) ([]byte, error) {
	accept := func(h http.Header) { h.Set("Accept", "application/xml") }
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: ClusterObjectPath(kind, id), conditions: []Condition{accept}})
	return a.body, err
}

// Text reads the text at a path, such as that of the whole configuration.
func (c Cluster) Text(ctx context.Context, path string) ([]byte, error) {
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: path})
	return a.body, err
}

// Put makes or replaces an object by a document, JSON or XML.
func (c Cluster) Put(ctx context.Context, kind, id string, document []byte, how ClusterChange) (json.RawMessage, error) {
	media := "application/json"
	if strings.HasPrefix(strings.TrimSpace(string(document)), "<") {
		media = "application/xml"
	}
	return c.send(ctx, call{
		method: http.MethodPut, path: ClusterObjectPath(kind, id) + how.query(), wait: settleTime + how.Wait,
		content: &content{mediaType: media, data: bytes.NewReader(document), size: int64(len(document))},
	})
}

// Delete removes an object.
func (c Cluster) Delete(ctx context.Context, kind, id string, how ClusterChange) (json.RawMessage, error) {
	return c.send(ctx, call{method: http.MethodDelete, path: ClusterObjectPath(kind, id) + how.query(), wait: settleTime + how.Wait})
}

// Drop deletes a draft, or a part of one, at its path.
func (c Cluster) Drop(ctx context.Context, path string) (json.RawMessage, error) {
	return c.send(ctx, call{method: http.MethodDelete, path: path})
}

// Post sends a document to a path: of drafts, simulations or losses.
func (c Cluster) Post(ctx context.Context, path string, document any, wait time.Duration) (json.RawMessage, error) {
	return c.send(ctx, call{method: http.MethodPost, path: path, body: document, wait: settleTime + wait})
}

// Patch sends changes of a draft to its path.
func (c Cluster) Patch(ctx context.Context, path string, document any) (json.RawMessage, error) {
	return c.send(ctx, call{method: http.MethodPatch, path: path, body: document})
}

// settleTime is how long the agent lets a cluster settle by itself.
const settleTime = 2 * time.Minute

// send sends a call, and gives the document of the answer; nil: there is none.
func (c Cluster) send(ctx context.Context, q call) (json.RawMessage, error) {
	a, err := c.transport.do(ctx, q)
	if err != nil || a.status == http.StatusNoContent {
		return nil, err
	}
	var out json.RawMessage
	return out, a.decode(&out)
}

// ClusterWizardPath is the path of a wizard of the configuration, or of all.
func ClusterWizardPath(name string) string {
	if name == "" {
		return "/cluster/wizards"
	}
	return "/cluster/wizards/" + url.PathEscape(name)
}

// ClusterDraftPath is the path of a draft of the configuration, or of what is below it.
func ClusterDraftPath(id string, below ...string) string {
	parts := make([]string, 0, 2+len(below))
	parts = append(parts, "/cluster/drafts", url.PathEscape(id))
	for _, part := range below {
		parts = append(parts, url.PathEscape(part))
	}
	return strings.Join(parts, "/")
}

// exportTime is how long the agent may take to make a file of the history.
const exportTime = 10 * time.Minute

// Export writes a file of the history to w, of the transitions of a query, "" or "?from=…".
// Check it before you rely on it, with package history.
func (c Cluster) Export(ctx context.Context, w io.Writer, query string) error {
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: "/cluster/history/export" + query, wait: exportTime})
	if err != nil {
		return err
	}
	_, err = w.Write(a.body)
	return err
}

// Import sends a file of a past, of size bytes, and gives the document of the import.
func (c Cluster) Import(ctx context.Context, file io.Reader, size int64) (json.RawMessage, error) {
	return c.send(ctx, call{method: http.MethodPost, path: "/cluster/history/imports", wait: exportTime, content: &content{"application/octet-stream", file, size}})
}
