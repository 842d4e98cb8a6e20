package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/stage"
)

// Drafts keeps drafts, as *store.DB does. An unknown ID is an *lb.NotFoundError.
type Drafts interface {
	// DraftHeads are the drafts without their objects.
	DraftHeads(ctx context.Context) ([]stage.Draft, error)
	Draft(ctx context.Context, id string) (stage.Draft, error)
	// CreateDraft gives a draft without an ID one.
	CreateDraft(ctx context.Context, d stage.Draft) (stage.Draft, error)
	// UpdateDraft changes a draft unless change has an error; others wait meanwhile.
	UpdateDraft(ctx context.Context, id string, change func(stage.Draft) (stage.Draft, error)) (stage.Draft, error)
	DeleteDraft(ctx context.Context, id string) error
}

// draftKey is where the context of a request holds the ID of the draft that it is about.
type draftKey struct{}

func draftOf(ctx context.Context) (id string, ok bool) {
	id, ok = ctx.Value(draftKey{}).(string)
	return id, ok
}

// isDraftable reports whether requests of a path may be about a draft.
func isDraftable(path string) bool {
	switch path {
	case "/frontends", "/frontends/{key}", "/backends", "/backends/{key}", "/certificates", "/certificates/{key}", "/definitions", changesPath, importPath, importHAProxyPath,
		sectionsPath, sectionsPath + "/{kind}", sectionsPath + "/{kind}/{name}", globalPath, defaultsPath:
		return true
	}
	return false
}

// inDraft is a handler that reads and changes a draft instead of the configuration if the query
// names a draft.
func inDraft(r Route, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		request := c.Request()
		query, err := url.ParseQuery(request.URL.RawQuery)
		if err != nil || !query.Has("draft") || hasClusterDrafts(r.Path) {
			return next(c) // which refuses what cannot be decoded, or has drafts of its own
		}
		id := query.Get("draft")
		switch _, err := lb.ParseName(id); {
		case !isDraftable(r.Path):
			return invalidField("draft", "is not a parameter of this path", "a request about frontends, backends, certificates, sections, definitions, changes or an import")
		case len(query["draft"]) > 1:
			return invalidField("draft", "is given more than once", "the ID of one draft")
		case err != nil:
			return invalidField("draft", shown(id)+" is not a draft", "the ID of one draft")
		}
		query.Del("draft")
		request = request.WithContext(context.WithValue(request.Context(), draftKey{}, id))
		address := *request.URL
		address.RawQuery = query.Encode()
		request.URL = &address
		c.SetRequest(request)
		return next(c)
	}
}

// changeDraft makes edits in a draft, in the name of by.
func (a *Agent) changeDraft(ctx context.Context, id string, edits []lb.Edit, by lb.Origin) (lb.Applied, error) {
	in, err := a.views.Intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	var before lb.Intent
	d, err := a.drafts.UpdateDraft(ctx, id, func(d stage.Draft) (stage.Draft, error) {
		before = d.View(in)
		next, err := d.With(in, edits, a.now())
		if err != nil {
			return d, err
		}
		return next.Since(d, by), next.Check()
	})
	if err != nil {
		return lb.Applied{}, err
	}
	after := d.View(in)
	applied := lb.Applied{
		Path: "none", Revision: in.Revision, Draft: id, Reason: "draft " + id + " is not committed", Changes: before.Changes(after),
	}
	if len(edits) == 1 && edits[0].Switch != nil {
		b := after.Backends[edits[0].Switch.Backend]
		applied.Backend = &b
	}
	return applied, nil
}

// draftHandlers collect changes before they are carried out.
type draftHandlers struct {
	agent      *Agent
	changesets changesetHandlers
}

// list answers with all drafts. Together they may be large: they are read, encoded and sent
// one after the other.
func (h draftHandlers) list(c echo.Context) error {
	ctx := c.Request().Context()
	heads, err := h.agent.drafts.DraftHeads(ctx)
	if err != nil {
		return err
	}
	in, err := h.agent.views.Intent(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(heads, func(a, b stage.Draft) int { return a.Origin.Time.Compare(b.Origin.Time) })
	out, further := &pieces{c: c}, false
	out.WriteByte('[')
	for _, head := range heads {
		d, err := h.agent.drafts.Draft(ctx, head.ID)
		if errors.As(err, new(*lb.NotFoundError)) {
			continue // it has been committed or deleted meanwhile
		}
		if err != nil {
			return out.abort(err)
		}
		if further {
			out.WriteByte(',')
		}
		further = true
		if err := out.add(node.NewDraft(h.seen(ctx, d), in)); err != nil {
			return out.abort(err)
		}
	}
	out.WriteString("]\n")
	return out.close()
}

// seen is a draft without the objects that the caller does not see.
func (h draftHandlers) seen(ctx context.Context, d stage.Draft) stage.Draft {
	if s, limited := sightOf(ctx); limited {
		seen := slices.DeleteFunc(slices.Clone(d.Objects), func(o stage.DraftObject) bool { return !s.grant.Sees(o.ID) })
		if len(seen) < len(d.Objects) || len(seen) == 0 {
			d.Origin.Message = "" // it may be about the others
		}
		d.Objects = seen
	}
	return d
}

func (h draftHandlers) create(c echo.Context) error {
	data, err := body(c)
	if err != nil {
		return err
	}
	id, message, err := node.ParseDraft(data)
	if err != nil {
		return err
	}
	by := h.agent.Origin(c)
	by.Message = message
	d, err := h.agent.drafts.CreateDraft(c.Request().Context(), stage.Draft{ID: id, Origin: by, Changed: by.Time})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/drafts/"+d.ID)
	return respond(c, http.StatusCreated, node.NewDraft(d, lb.Intent{}))
}

// find is the draft that the path names, and what is configured now.
func (h draftHandlers) find(c echo.Context) (stage.Draft, lb.Intent, error) {
	ctx := c.Request().Context()
	d, err := h.agent.drafts.Draft(ctx, c.Param("id"))
	if err != nil {
		return d, lb.Intent{}, err
	}
	in, err := h.agent.views.Intent(ctx)
	return d, in, err
}

func (h draftHandlers) show(c echo.Context) error {
	d, in, err := h.find(c)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDraft(h.seen(c.Request().Context(), d), in))
}

// diff shows what a commit would do now. Reasons why it is not possible are part of the answer.
func (h draftHandlers) diff(c echo.Context) error {
	ctx := c.Request().Context()
	d, in, err := h.find(c)
	if err != nil {
		return err
	}
	out := node.DraftDifference{Draft: node.NewDraft(h.seen(ctx, d), in)}
	set, err := d.Changeset(in, h.agent.Origin(c))
	if err == nil {
		var preview stage.Preview
		if preview, err = h.agent.Preview(ctx, set); err == nil {
			out.Preview, err = node.NewPreview(preview)
			return errors.Join(err, respond(c, http.StatusOK, out))
		}
		err = set.Named(err)
	}
	if domainFailure(err) == nil { // it says nothing of the draft
		return err
	}
	return h.respondProblem(c, out, d, in, err)
}

// respondProblem answers with the changes of a draft and why they cannot be made.
func (h draftHandlers) respondProblem(c echo.Context, out node.DraftDifference, d stage.Draft, in lb.Intent, problem error) error {
	ctx := c.Request().Context()
	changes, err := h.agent.seenChanges(ctx, in.Changes(d.View(in)))
	if err != nil {
		return err
	}
	if out.Preview.Changes, err = node.NewChanges(changes); err != nil {
		return err
	}
	out.Preview.Base, out.Preview.Path = in.Revision, "none"
	f := domainFailure(problem).ofEdit(problem).bounded()
	if s, limited := sightOf(ctx); limited {
		f = s.failure(f)
	}
	out.Problem, out.Output = f.Message, f.Output
	return respond(c, http.StatusOK, out)
}

// commit carries out a draft as one revision, and removes it.
func (h draftHandlers) commit(c echo.Context) error {
	how, err := restoreOf(c)
	if err != nil {
		return err
	}
	by := h.agent.Origin(c)
	by.Message = cmp.Or(how.Message, by.Message)
	applied, err := untilEnd(c, func(ctx context.Context) (lb.Applied, error) {
		return h.agent.commitDraft(ctx, c.Param("id"), by, func(e *lb.Edit) { e.Force, e.Wait = how.Force, how.Wait })
	})
	if err != nil {
		return err
	}
	done, err := withChanges(applied)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, done)
}

// rebase ends the conflicts of a draft: its objects win.
func (h draftHandlers) rebase(c echo.Context) error {
	ctx, by := c.Request().Context(), h.agent.Origin(c)
	in, err := h.agent.views.Intent(ctx)
	if err != nil {
		return err
	}
	d, err := h.agent.drafts.UpdateDraft(ctx, c.Param("id"), func(d stage.Draft) (stage.Draft, error) {
		return d.Rebased(in).Since(d, by), h.agent.judge(ctx, stage.Towards(in, d.View(in)))
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDraft(h.seen(ctx, d), in))
}

// drop removes the changes of some objects from a draft.
func (h draftHandlers) drop(c echo.Context) error {
	data, err := body(c)
	if err != nil {
		return err
	}
	ids, err := node.ParseDrop(data)
	if err != nil {
		return err
	}
	ctx, by := c.Request().Context(), h.agent.Origin(c)
	in, err := h.agent.views.Intent(ctx)
	if err != nil {
		return err
	}
	d, err := h.agent.drafts.UpdateDraft(ctx, c.Param("id"), func(d stage.Draft) (stage.Draft, error) {
		if _, err := h.seen(ctx, d).Without(ids); err != nil { // of objects that are hidden, too
			return d, err
		}
		if err := h.agent.judge(ctx, stage.Towards(in, d.Only(ids).View(in))); err != nil {
			return d, err
		}
		next, err := d.Without(ids)
		next.Changed = by.Time
		return next.Since(d, by), err
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDraft(h.seen(ctx, d), in))
}

func (h draftHandlers) delete(c echo.Context) error {
	ctx := c.Request().Context()
	unlock, err := h.agent.drafts.lock(ctx, c.Param("id")) // nobody changes it once it is judged
	if err != nil {
		return err
	}
	defer unlock()
	d, in, err := h.find(c)
	if err != nil {
		return err
	}
	if err := h.agent.judge(ctx, stage.Towards(in, d.View(in))); err != nil {
		return err
	}
	if err := h.agent.drafts.DeleteDraft(ctx, d.ID); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
