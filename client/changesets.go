package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"thalassa/api/node"
)

// An Edit is one change of a Changeset.
type Edit struct {
	Method string          `json:"method"` // "PUT" or "DELETE", or "POST" to switch a backend
	Path   string          `json:"path"`   // see FrontendPath, BackendPath and SectionPath
	Body   json.RawMessage `json:"body,omitempty"`
}

// FrontendPath is the path of an edit of a frontend.
func FrontendPath(key string) string { return object("frontends", key) }

// BackendPath is the path of an edit of a backend.
func BackendPath(key string) string { return object("backends", key) }

// SectionPath is the path of an edit of a raw section, by its key: "KIND/NAME", "global" or
// "defaults".
func SectionPath(key string) string {
	kind, name, hasName := strings.Cut(key, "/")
	if !hasName {
		return "/haproxy/" + url.PathEscape(kind)
	}
	return "/haproxy/sections/" + url.PathEscape(kind) + "/" + url.PathEscape(name)
}

// A Changeset is a list of edits. Either all are carried out or none.
type Changeset struct {
	Message string `json:"message,omitempty"` // what for; at most 1000 bytes
	Edits   []Edit `json:"edits"`
}

// A Change is what happened to one object.
type Change = node.Change

// A Preview is what a changeset, or a restore, would do.
type Preview = node.Preview

// Changed is what a changeset, or a restore, has done.
type Changed struct {
	Changes []Change `json:"changes"`
	Applied
}

// Changesets change many objects of an agent at once, and go back.
type Changesets struct{ transport transport }

// NewChangesets are those of an agent.
func NewChangesets(c *Client) Changesets { return Changesets{c.transport} }

// changeTime is how long the agent may take for a change of many objects, beside the
// usual time.
const changeTime = time.Minute

// Apply carries out a changeset as one revision. wait is the longest that one of its edits
// asks to wait for healthy instances.
func (c Changesets) Apply(ctx context.Context, set Changeset, wait time.Duration) (Changed, error) {
	return post[Changed](ctx, c.transport, "/changes", set, wait)
}

// Preview returns what a changeset would do.
func (c Changesets) Preview(ctx context.Context, set Changeset) (Preview, error) {
	return post[Preview](ctx, c.transport, "/changes?dryRun=1", set, 0)
}

// post sends a body to a path of changes, and decodes the answer.
func post[T any](ctx context.Context, t transport, path string, body any, wait time.Duration) (T, error) {
	var out T
	a, err := t.do(ctx, call{method: http.MethodPost, path: path, body: body, wait: changeTime + max(wait, 0)})
	if err != nil {
		return out, err
	}
	return out, a.decode(&out)
}

// A Difference is what has changed from one revision to another.
type Difference = node.Difference

// Difference returns what has changed from one revision to another.
func (c Changesets) Difference(ctx context.Context, from, to uint64) (Difference, error) {
	var out Difference
	_, err := c.transport.get(ctx, "/revisions/"+strconv.FormatUint(from, 10)+".."+strconv.FormatUint(to, 10), &out)
	return out, err
}

// Definitions are all frontends, backends and raw sections as operators defined them, by
// key, each with the fields of the request that puts it.
type Definitions struct {
	Revision  uint64                     `json:"revision"`
	Frontends map[string]json.RawMessage `json:"frontends"`
	Backends  map[string]json.RawMessage `json:"backends"`
	Sections  map[string]json.RawMessage `json:"sections"`
}

// Definitions reads all frontends, backends and raw sections.
func (c Changesets) Definitions(ctx context.Context) (Definitions, error) {
	var out Definitions
	_, err := c.transport.get(ctx, "/definitions", &out)
	return out, err
}

// A Restore says how to go back to a revision.
type Restore struct {
	Message string // what for; empty: the number of the revision
	Force   bool   // even if a backend that a frontend leads to has no member then
	Wait    time.Duration
}

type restoreBody struct {
	Message string `json:"message,omitempty"`
	Force   bool   `json:"force,omitempty"`
	Wait    string `json:"wait,omitempty"`
}

// Restore restores all objects to a revision, by a new revision.
func (c Changesets) Restore(ctx context.Context, revision uint64, r Restore) (Changed, error) {
	return post[Changed](ctx, c.transport, restorePath(revision), r.body(), r.Wait)
}

// PreviewRestore returns what a restore would do.
func (c Changesets) PreviewRestore(ctx context.Context, revision uint64, r Restore) (Preview, error) {
	return post[Preview](ctx, c.transport, restorePath(revision)+"?dryRun=1", r.body(), 0)
}

func (r Restore) body() restoreBody {
	body := restoreBody{Message: r.Message, Force: r.Force}
	if r.Wait > 0 {
		body.Wait = r.Wait.String()
	}
	return body
}

func restorePath(revision uint64) string {
	return "/revisions/" + strconv.FormatUint(revision, 10) + "/restore"
}
