package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"thalassa/api/node"
)

// A Draft is a change that is collected before it is carried out.
type Draft = node.Draft

// A DraftDifference is what a commit of a draft would do now.
type DraftDifference = node.DraftDifference

// InDraft is a client whose requests for frontends, backends and changesets read and change a
// draft. The agent refuses other requests.
func InDraft(c *Client, id string) *Client {
	t := c.transport
	t.draft = id
	return &Client{t}
}

// Drafts are those of an agent.
type Drafts struct{ transport transport }

// NewDrafts are those of an agent.
func NewDrafts(c *Client) Drafts { return Drafts{c.transport} }

// List lists all drafts, the oldest first.
func (c Drafts) List(ctx context.Context) ([]Draft, error) {
	var list []Draft
	_, err := c.transport.get(ctx, "/drafts", &list)
	return list, err
}

// Begin begins a draft. Without an ID it gets a number. The message says what for, and may
// be empty.
func (c Drafts) Begin(ctx context.Context, id, message string) (Draft, error) {
	body := struct {
		ID      string `json:"id,omitempty"`
		Message string `json:"message,omitempty"`
	}{id, message}
	return post[Draft](ctx, c.transport, "/drafts", body, 0)
}

// Difference returns what the commit of a draft would do now.
func (c Drafts) Difference(ctx context.Context, id string) (DraftDifference, error) {
	var out DraftDifference
	_, err := c.transport.get(ctx, draftPath(id)+"/diff", &out)
	return out, err
}

// A DraftEdit is one request that changed a draft.
type DraftEdit = node.DraftEdit

// Edits are the last requests that changed a draft, newest first.
func (c Drafts) Edits(ctx context.Context, id string) ([]DraftEdit, error) {
	var list []DraftEdit
	_, err := c.transport.get(ctx, draftPath(id)+"/edits", &list)
	return list, err
}

// Undo undoes the last edit of a draft.
func (c Drafts) Undo(ctx context.Context, id string) (Draft, error) {
	return post[Draft](ctx, c.transport, draftPath(id)+"/undo", struct{}{}, 0)
}

// Rename gives a draft another message.
func (c Drafts) Rename(ctx context.Context, id, message string) (Draft, error) {
	body := struct {
		Message string `json:"message"`
	}{message}
	a, err := c.transport.do(ctx, call{method: http.MethodPatch, path: draftPath(id), body: body})
	if err != nil {
		return Draft{}, err
	}
	var out Draft
	return out, json.Unmarshal(a.body, &out)
}

// Rebase lets the draft win over what others have changed since.
func (c Drafts) Rebase(ctx context.Context, id string) (Draft, error) {
	return post[Draft](ctx, c.transport, draftPath(id)+"/rebase", struct{}{}, 0)
}

// Drop removes the changes of some objects from a draft. ids are like "backend/live".
func (c Drafts) Drop(ctx context.Context, id string, ids []string) (Draft, error) {
	body := struct {
		Objects []string `json:"objects"`
	}{ids}
	return post[Draft](ctx, c.transport, draftPath(id)+"/drop", body, 0)
}

// Commit carries out a draft as one revision, and deletes it.
func (c Drafts) Commit(ctx context.Context, id string, r Restore) (Changed, error) {
	return post[Changed](ctx, c.transport, draftPath(id)+"/commit", r.body(), r.Wait)
}

// Delete deletes a draft.
func (c Drafts) Delete(ctx context.Context, id string) error {
	_, err := c.transport.do(ctx, call{method: http.MethodDelete, path: draftPath(id)})
	return err
}

func draftPath(id string) string { return "/drafts/" + url.PathEscape(id) }
