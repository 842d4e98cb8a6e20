package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// clusterDraftsPath is where the drafts of the cluster's configuration are.
const clusterDraftsPath = "/cluster/drafts"

// ClusterDrafts keeps drafts of the cluster's configuration, as *drafts.Drafts does. An
// unknown ID is an *lb.NotFoundError.
type ClusterDrafts interface {
	List(ctx context.Context) ([]config.Draft, error)
	Draft(ctx context.Context, id string) (config.Draft, error)
	// Create gives a draft without an ID one.
	Create(ctx context.Context, d config.Draft) (config.Draft, error)
	// Update changes a draft unless change has an error. change may be called several times.
	Update(ctx context.Context, id string, change func(config.Draft) (config.Draft, error)) (config.Draft, error)
	// Delete drops a draft unless check has an error; nil: there is nothing to check. check may be called
	// several times, and gets the draft as it is dropped.
	Delete(ctx context.Context, id string, check func(config.Draft) error) error
}

// hasClusterDrafts reports whether the parameter draft of a path is one of the cluster's.
func hasClusterDrafts(path string) bool {
	return strings.HasPrefix(path, clusterConfigPath) || path == clusterChangesPath || strings.HasPrefix(path, clusterWizardsPath)
}

// isSeen reports whether the caller sees a draft: whoever began it does, and the others if it
// is listed.
func isSeen(c echo.Context, d config.Draft) bool { return d.Listed || d.Author == Author(c) }

// draft is a draft that the caller sees.
func (h clusterConfigHandlers) draft(c echo.Context, id string) (config.Draft, error) {
	gone := &lb.NotFoundError{ID: config.Draft{ID: shown(id)}.Name(), Hint: "this is the agent of " + h.self() + ", which knows the drafts of all nodes whose agents it reaches"}
	if _, err := lb.ParseName(id); err != nil || h.drafts == nil {
		return config.Draft{}, gone
	}
	d, err := h.drafts.Draft(c.Request().Context(), id)
	if err == nil && isSeen(c, d) {
		d, err = h.commits.settled(c.Request().Context(), d)
	}
	if errors.As(err, new(*lb.NotFoundError)) || err == nil && !isSeen(c, d) {
		return config.Draft{}, gone
	}
	return d, err
}

// self is the name of this node.
func (h clusterConfigHandlers) self() string {
	if v, err := h.status(); err == nil && v.Self != "" {
		return v.Self
	}
	return "this node"
}

// update changes a draft that the caller sees.
func (h clusterConfigHandlers) update(c echo.Context, id string, change func(config.Draft) (config.Draft, error)) (config.Draft, error) {
	if _, err := h.draft(c, id); err != nil {
		return config.Draft{}, err
	}
	return h.drafts.Update(c.Request().Context(), id, func(d config.Draft) (config.Draft, error) {
		if err := changeable(c, d); err != nil {
			return d, err
		}
		return change(d)
	})
}

// clusterDraft is a draft as JSON.
type clusterDraft struct {
	ID        string             `json:"id"`
	Author    string             `json:"author"`
	Message   string             `json:"message"`
	Listed    bool               `json:"listed"`
	Begun     time.Time          `json:"begun"`
	Changed   time.Time          `json:"changed"`
	Edits     []clusterDraftEdit `json:"edits"`
	Objects   []string           `json:"objects"`
	Conflicts []string           `json:"conflicts"`
	Inject    []draftInjection   `json:"inject"`
	At        *time.Time         `json:"at,omitempty"`
	// Kept are the nodes whose agents are known to have it as it is here.
	Kept []string `json:"kept"`
	// Commit is the job that commits it; empty: none does.
	Commit string `json:"commit,omitempty"`
}

type clusterDraftEdit struct {
	Number  uint64    `json:"number"`
	Author  string    `json:"author"`
	Time    time.Time `json:"time"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	To      string    `json:"to,omitempty"`
	Cascade bool      `json:"cascade,omitempty"`
}

type draftInjection struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
	cluster.Injection
}

// document is a draft as JSON. Bodies of edits are none of it: they may have secrets.
func (h clusterConfigHandlers) document(d config.Draft) clusterDraft {
	out := clusterDraft{
		ID: d.ID, Author: d.Author, Message: d.Message, Listed: d.Listed, Begun: d.Begun, Changed: d.Changed,
		Edits: []clusterDraftEdit{}, Objects: orEmpty(d.Objects()), Conflicts: []string{}, Inject: []draftInjection{},
		Kept: orEmpty(d.Kept),
	}
	if d.Commit != nil {
		out.Commit = d.Commit.Job
	}
	for _, e := range d.Edits {
		edit := clusterDraftEdit{
			Number: e.Number, Author: e.Author, Time: e.Time, Method: e.Edit.Op, To: e.Edit.To, Cascade: e.Edit.Cascade,
			Path: clusterConfigPath + "/" + string(e.Edit.Kind) + "/" + e.Edit.ID,
		}
		if e.Edit.To != "" {
			edit.Method, edit.Path = http.MethodPost, edit.Path+"/"+e.Edit.Op
		}
		out.Edits = append(out.Edits, edit)
	}
	for n, i := range d.Inject {
		out.Inject = append(out.Inject, draftInjection{n + 1, i.String(), i})
	}
	if !d.At.IsZero() {
		out.At = &d.At
	}
	if configuration, _, err := h.configuration(); err == nil {
		out.Conflicts = d.Conflicts(configuration)
	}
	return out
}

// changeInDraft makes edits in a draft.
func (h clusterConfigHandlers) changeInDraft(c echo.Context, how configuring, edits []config.Edit) error {
	configuration, version, err := h.current(c.Request().Context())
	if err != nil {
		return err
	}
	var next config.Draft
	change := func(d config.Draft) (config.Draft, error) {
		return d.With(configuration, version, edits, Author(c), h.now())
	}
	if how.dryRun {
		if next, err = h.draft(c, how.draft); err == nil {
			next, err = change(next)
		}
	} else {
		next, err = h.update(c, how.draft, change)
	}
	if err != nil {
		return err
	}
	out := struct {
		Object map[string]any `json:"object,omitempty"`
		Draft  clusterDraft   `json:"draft"`
	}{Draft: h.document(next)}
	if view, err := next.View(configuration, version); err == nil && len(edits) == 1 {
		id := edits[0].ID
		if edits[0].To != "" {
			id = edits[0].To
		}
		if e := config.Find(view, edits[0].Kind, id); e != nil {
			o := config.Masked(edits[0].Kind, e)
			out.Object = o.Document(edits[0].Kind)
			c.Response().Header().Set(headerETag, config.Tag(edits[0].Kind, e, next.Version(version)))
		}
	}
	return respond(c, http.StatusOK, out)
}

// questionOf is what a draft asks of a simulation, though it may have conflicts.
func (h clusterConfigHandlers) questionOf(ctx context.Context, d config.Draft) (config.Question, error) {
	configuration, version, err := h.current(ctx)
	if err == nil {
		_, err = d.View(configuration, version)
	}
	q := config.Question{Scenario: cluster.Scenario{Inject: slices.Clone(d.Inject), At: d.At}}
	for _, e := range d.Edits {
		q.Edits = append(q.Edits, e.Edit)
	}
	return q, err
}

// clusterDraftHandlers collect changes of the cluster's configuration.
type clusterDraftHandlers struct{ foresightHandlers }

func (h clusterDraftHandlers) list(c echo.Context) error {
	if _, err := h.status(); err != nil {
		return err
	}
	list, err := h.drafts.List(c.Request().Context())
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b config.Draft) int { return a.Begun.Compare(b.Begun) })
	out := []clusterDraft{}
	for _, d := range list {
		if !isSeen(c, d) {
			continue
		}
		if d, err = h.commits.settled(c.Request().Context(), d); errors.As(err, new(*lb.NotFoundError)) {
			continue
		}
		if err != nil {
			return err
		}
		out = append(out, h.document(d))
	}
	return respond(c, http.StatusOK, out)
}

func (h clusterDraftHandlers) create(c echo.Context) error {
	if _, err := h.status(); err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	d := config.Draft{Author: Author(c), Begun: h.now(), Changed: h.now()}
	if err := parseClusterDraft(data, &d); err != nil {
		return err
	}
	if d, err = h.drafts.Create(c.Request().Context(), d); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, clusterDraftsPath+"/"+d.ID)
	return respond(c, http.StatusCreated, h.document(d))
}

// named is the draft of the path.
func (h clusterDraftHandlers) named(c echo.Context) (config.Draft, error) {
	if _, err := h.status(); err != nil {
		return config.Draft{}, err
	}
	return h.draft(c, c.Param("id"))
}

func (h clusterDraftHandlers) show(c echo.Context) error {
	d, err := h.named(c)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, h.document(d))
}

// changed changes the draft of the path, and answers with it.
func (h clusterDraftHandlers) changed(c echo.Context, change func(config.Draft) (config.Draft, error)) error {
	if _, err := h.status(); err != nil {
		return err
	}
	d, err := h.update(c, c.Param("id"), change)
	if edit, ok := asSingle(err); ok {
		return edit
	}
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, h.document(d))
}

func (h clusterDraftHandlers) change(c echo.Context) error {
	data, err := body(c)
	if err != nil {
		return err
	}
	return h.changed(c, func(d config.Draft) (config.Draft, error) {
		next := d
		if err := parseClusterDraft(data, &next); err != nil {
			return d, err
		}
		if next.ID != d.ID {
			return d, invalidField("id", "is not the one of the path", "no id: it cannot be changed")
		}
		next.Changed = h.now()
		return next, nil
	})
}

func (h clusterDraftHandlers) inject(c echo.Context) error {
	data, err := body(c)
	if err != nil {
		return err
	}
	var i cluster.Injection
	if err := strictjson.Decode(data, &i); err != nil {
		return err
	}
	if err := i.Check("body"); err != nil {
		return err
	}
	return h.changed(c, func(d config.Draft) (config.Draft, error) {
		if len(d.Inject) >= cluster.MaxInjections {
			return d, &lb.ConflictError{ID: d.Name(), Reason: "supposes " + strconv.Itoa(len(d.Inject)) + " events already: remove some first"}
		}
		d.Inject, d.Changed = append(slices.Clone(d.Inject), i), h.now()
		return d, nil
	})
}

// number is the last part of the path.
func number(c echo.Context) (uint64, error) {
	n, err := strconv.ParseUint(c.Param("number"), 10, 32)
	if err != nil || n == 0 {
		return 0, invalidField("number", "is "+shown(c.Param("number")), "a number from 1 on")
	}
	return n, nil
}

func (h clusterDraftHandlers) removeInjection(c echo.Context) error {
	n, err := number(c)
	if err != nil {
		return err
	}
	return h.changed(c, func(d config.Draft) (config.Draft, error) {
		if n > uint64(len(d.Inject)) {
			return d, &lb.NotFoundError{ID: d.Name() + "/injections/" + strconv.FormatUint(n, 10)}
		}
		d.Inject, d.Changed = slices.Delete(slices.Clone(d.Inject), int(n)-1, int(n)), h.now()
		return d, nil
	})
}

func (h clusterDraftHandlers) removeEdit(c echo.Context) error {
	n, err := number(c)
	if err != nil {
		return err
	}
	configuration, version, err := h.current(c.Request().Context())
	if err != nil {
		return err
	}
	return h.changed(c, func(d config.Draft) (config.Draft, error) {
		return d.Without(configuration, version, n, h.now())
	})
}

func (h clusterDraftHandlers) rebase(c echo.Context) error {
	configuration, version, err := h.current(c.Request().Context())
	if err != nil {
		return err
	}
	return h.changed(c, func(d config.Draft) (config.Draft, error) {
		return d.Rebased(configuration, version, h.now())
	})
}

func (h clusterDraftHandlers) drop(c echo.Context) error {
	d, err := h.named(c)
	if err != nil {
		return err
	}
	err = h.drafts.Delete(c.Request().Context(), d.ID, func(now config.Draft) error { return changeable(c, now) })
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// draftForeseen is what a draft changes, and what the cluster would do.
type draftForeseen struct {
	Draft clusterDraft `json:"draft"`
	// Problem says why it cannot be committed now. If it cannot be simulated either, the rest
	// is not there.
	Problem string `json:"problem,omitempty"`
	*config.Foreseen
}

// diff tells what a commit would do now. What stands against it is part of the answer.
func (h clusterDraftHandlers) diff(c echo.Context) error {
	d, err := h.named(c)
	if err != nil {
		return err
	}
	out, err := h.foreseen(c, d)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, out)
}

// foreseen is what a commit of a draft would do now. The error is one of this node or of the
// cluster, not of the draft.
func (h clusterDraftHandlers) foreseen(c echo.Context, d config.Draft) (draftForeseen, error) {
	q, err := h.questionOf(c.Request().Context(), d)
	out := draftForeseen{Draft: h.document(d)} // after the question, which has waited for changes
	if n := len(out.Draft.Conflicts); n > 0 {
		out.Problem = strings.Join(out.Draft.Conflicts, ", ") + " changed since the draft did"
	}
	if err == nil {
		var seen config.Foreseen
		if seen, err = h.foresee(c, q); err == nil {
			out.Foreseen = &seen
		}
	}
	if err == nil {
		return out, nil
	}
	f := domainFailure(err)
	if f == nil {
		return out, err
	}
	out.Problem = f.bounded().Message
	if f.Status >= http.StatusInternalServerError {
		return out, err
	}
	return out, nil
}
