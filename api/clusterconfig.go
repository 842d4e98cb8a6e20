package api

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// clusterConfigPath is where the objects of the cluster's configuration are.
const clusterConfigPath = "/cluster/config"

// ClusterConfiguration is the configuration of the cluster, as Pacemaker has it.
type ClusterConfiguration interface {
	// Configuration returns the element of the CIB, with its secrets, and the version of the CIB.
	// Callers must not change it.
	Configuration() (*cibxml.Element, cluster.Epoch, error)
	// Refresh waits until Configuration has what the cluster has now.
	Refresh(ctx context.Context) error
	// PlanEdits returns what edits would do.
	PlanEdits(ctx context.Context, edits []config.Edit) (config.Outcome, error)
	// Configure makes edits as one change, in the name of an author, and returns the final state.
	// When it returns, Configuration has the change.
	Configure(ctx context.Context, edits []config.Edit, wait time.Duration, o cluster.Order) (config.Outcome, cluster.Job, error)
}

// clusterConfigHandlers read and change the configuration of the cluster.
type clusterConfigHandlers struct {
	clusterHandlers

	objects ClusterConfiguration // nil: this node is in no cluster
	drafts  ClusterDrafts        // nil: there are none
	commits draftCommits
	now     func() time.Time
	logger  *slog.Logger
}

// configuration is what the cluster has and its version, or the error that says why there
// is none.
func (h clusterConfigHandlers) configuration() (*cibxml.Element, string, error) {
	if _, err := h.status(); err != nil {
		return nil, "", err
	}
	configuration, epoch, err := h.objects.Configuration()
	return configuration, epoch.Configuration(), err
}

// current is the configuration with all changes, also those that were made on another node a
// moment ago.
func (h clusterConfigHandlers) current(ctx context.Context) (*cibxml.Element, string, error) {
	if _, err := h.status(); err != nil {
		return nil, "", err
	}
	if err := h.objects.Refresh(ctx); err != nil {
		return nil, "", err
	}
	return h.configuration()
}

// shown is the configuration with what the draft of the query changes, if there is one.
func (h clusterConfigHandlers) shown(c echo.Context) (*cibxml.Element, string, error) {
	configuration, version, err := h.configuration()
	if err != nil || !c.QueryParams().Has("draft") {
		return configuration, version, err
	}
	d, err := h.draft(c, c.QueryParam("draft"))
	if err != nil {
		return nil, "", err
	}
	view, err := d.View(configuration, version)
	return view, d.Version(version), err
}

// kindOf is the kind of the path.
func kindOf(c echo.Context) (config.Kind, error) {
	k := config.Kind(c.Param("kind"))
	if !k.Valid() {
		return k, &ResponseError{
			Status: http.StatusNotFound, Code: "not_found", Message: shown(string(k)) + " is no kind of configuration objects: " + kindNames(),
		}
	}
	return k, nil
}

func kindNames() string {
	names := make([]string, 0, len(config.Kinds()))
	for _, k := range config.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// documents are the objects of a kind, without secrets.
func documents(configuration *cibxml.Element, k config.Kind) []map[string]any {
	list := config.Elements(configuration, k)
	out := make([]map[string]any, 0, len(list))
	for _, e := range list {
		o := config.Masked(k, e)
		out = append(out, o.Document(k))
	}
	return out
}

// list answers with the objects of all kinds.
func (h clusterConfigHandlers) list(c echo.Context) error {
	configuration, version, err := h.shown(c)
	if err != nil {
		return err
	}
	if unchanged(c, config.ConfigurationTag(version)) {
		return c.NoContent(http.StatusNotModified)
	}
	out := map[config.Kind]any{}
	for _, k := range config.Kinds() {
		out[k] = documents(configuration, k)
	}
	return respond(c, http.StatusOK, out)
}

// listKind answers with the objects of a kind.
func (h clusterConfigHandlers) listKind(c echo.Context) error {
	configuration, version, err := h.shown(c)
	if err != nil {
		return err
	}
	k, err := kindOf(c)
	if err != nil {
		return err
	}
	if unchanged(c, config.ConfigurationTag(version)) {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, documents(configuration, k))
}

// show answers with one object, as JSON or as XML.
func (h clusterConfigHandlers) show(c echo.Context) error {
	k, err := kindOf(c)
	if err != nil {
		return err
	}
	e, err := h.find(c, k, c.Param("id"))
	if err != nil {
		return err
	}
	if strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "xml") {
		masked := e.Clone()
		cibxml.Mask(masked, "", func(string) {})
		return write(c, http.StatusOK, echo.MIMEApplicationXMLCharsetUTF8, masked.Bytes())
	}
	o := config.Masked(k, e)
	return respond(c, http.StatusOK, o.Document(k))
}

// reveal answers with an object with its secrets. The audit log has it as an export.
func (h clusterConfigHandlers) reveal(c echo.Context) error {
	k, err := kindOf(c)
	if err != nil {
		return err
	}
	e, err := h.find(c, k, c.Param("id"))
	if err != nil {
		return err
	}
	c.Set(exportKey, true)
	c.Set(objectKey, string(k)+"/"+c.Param("id"))
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	o := config.Revealed(k, e)
	return respond(c, http.StatusOK, o.Document(k))
}

// find looks for an object, and sets the header with its entity tag.
func (h clusterConfigHandlers) find(c echo.Context, k config.Kind, id string) (*cibxml.Element, error) {
	configuration, version, err := h.shown(c)
	if err != nil {
		return nil, err
	}
	e := config.Find(configuration, k, id)
	if e == nil {
		return nil, &lb.NotFoundError{ID: string(k) + "/" + id}
	}
	c.Response().Header().Set(headerETag, config.Tag(k, e, version))
	return e, nil
}

// put, patch and remove change one object.
func (h clusterConfigHandlers) put(c echo.Context) error   { return h.change(c, config.Put) }
func (h clusterConfigHandlers) patch(c echo.Context) error { return h.change(c, config.Patch) }

func (h clusterConfigHandlers) remove(c echo.Context) error { return h.change(c, config.Delete) }

// rename and copy give an object, or a copy of it, another id.
func (h clusterConfigHandlers) rename(c echo.Context) error { return h.change(c, config.Rename) }
func (h clusterConfigHandlers) copy(c echo.Context) error   { return h.change(c, config.Copy) }

func (h clusterConfigHandlers) change(c echo.Context, op string) error {
	if _, err := h.status(); err != nil {
		return err
	}
	k, err := kindOf(c)
	if err != nil {
		return err
	}
	e := config.Edit{Op: op, Kind: k, ID: c.Param("id")}
	if e.IfMatch, e.IfNone, err = conditions(c.Request()); err != nil {
		return err
	}
	names := []string{"dryRun", "wait", "draft"}
	if op == config.Delete {
		names = append(names, "cascade")
	}
	q := parameters(c.Request(), names...)
	how := howToConfigure(q)
	e.Cascade = q.flag("cascade")
	if err := q.err(); err != nil {
		return err
	}
	if err := readEdit(c, &e); err != nil {
		return err
	}
	if op == config.Rename || op == config.Copy {
		if e.To, err = parseNewID(e.Body); err != nil {
			return err
		}
	}
	if how.draft != "" {
		err := h.changeInDraft(c, how, []config.Edit{e})
		if edit, ok := asSingle(err); ok {
			return edit
		}
		return err
	}
	out, err := h.carryOut(c, []config.Edit{e}, how)
	if edit, ok := asSingle(err); ok {
		return edit
	}
	if err != nil {
		return err
	}
	if op == config.Rename || op == config.Copy {
		e.ID = e.To
	}
	if op == config.Delete || how.dryRun {
		return respond(c, http.StatusOK, out)
	}
	return h.respondChanged(c, k, e.ID, out)
}

// respondChanged answers with an object as it is after a change. Where the view of a busy node does
// not show that yet, or somebody has removed the object, the answer has the outcome alone.
func (h clusterConfigHandlers) respondChanged(c echo.Context, k config.Kind, id string, out config.Outcome) error {
	configuration, epoch, err := h.objects.Configuration()
	if err != nil {
		return err
	}
	changed := config.Find(configuration, k, id)
	if changed == nil || isBefore(epoch, out) {
		return respond(c, http.StatusOK, out)
	}
	c.Response().Header().Set(headerETag, config.Tag(k, changed, epoch.Configuration()))
	o := config.Masked(k, changed)
	return respond(c, http.StatusOK, struct {
		Object map[string]any `json:"object"`
		config.Outcome
	}{o.Document(k), out})
}

// isBefore reports whether a version of the CIB lacks what an outcome has made of the configuration.
func isBefore(epoch cluster.Epoch, out config.Outcome) bool {
	if out.Cluster == nil {
		return false
	}
	wanted := out.Cluster.Epoch
	wanted.Updates = 0 // of the status alone
	return epoch.Compare(wanted) < 0
}

// asSingle is the error about the only edit of a request.
func asSingle(err error) (error, bool) {
	edit, ok := err.(*lb.EditError) //nolint:errorlint // as config.Apply makes it
	if !ok {
		return err, false
	}
	return edit.Err, true
}

// readEdit reads the body of an edit.
func readEdit(c echo.Context, e *config.Edit) (err error) {
	switch media, _, _ := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType)); {
	case e.Op == config.Delete:
		return nil
	case e.Op == config.Put && media == echo.MIMEApplicationXML:
		e.IsXML = true
		e.Body, err = readBody(c, maxBody)
	default:
		e.Body, err = body(c)
	}
	return err
}

// configuring is how edits are carried out.
type configuring struct {
	dryRun bool
	wait   time.Duration
	draft  string // in which they are collected; empty: they are made
}

func howToConfigure(q *params) configuring {
	how := configuring{dryRun: q.flag("dryRun"), wait: q.wait(), draft: q.text("draft")}
	if how.draft != "" && how.wait > 0 {
		q.add("wait", "has no meaning in a draft", "no value")
	}
	if _, err := lb.ParseName(how.draft); q.values.Has("draft") && err != nil {
		q.add("draft", shown(how.draft)+" is not a draft", "the ID of a draft")
	}
	return how
}

// configure carries out edits. Of a former job, nothing was kept of what the prediction ends with: it has
// the status as it is now.
func (h clusterConfigHandlers) configure(ctx context.Context, edits []config.Edit, wait time.Duration, o cluster.Order) (config.Outcome, cluster.Job, error) {
	out, j, err := h.objects.Configure(ctx, edits, wait, o)
	if v, down := h.status(); out.Predicted.After.State == "" && down == nil {
		out.Predicted.After = v
	}
	return out, j, err
}

func (h clusterConfigHandlers) carryOut(c echo.Context, edits []config.Edit, how configuring) (config.Outcome, error) {
	if how.dryRun {
		return h.objects.PlanEdits(c.Request().Context(), edits)
	}
	o, err := order(c, edits)
	if err != nil {
		return config.Outcome{}, err
	}
	out, j, err := h.configure(c.Request().Context(), edits, how.wait, o)
	setJob(c, j)
	if err == nil && out.Cluster == nil { // the job has ended before
		v, err := h.status()
		out.Cluster = &v
		return out, err
	}
	return out, err
}

// apply makes several edits as one change.
func (h clusterConfigHandlers) apply(c echo.Context) error {
	if _, err := h.status(); err != nil {
		return err
	}
	q := parameters(c.Request(), "dryRun", "wait", "draft")
	how := howToConfigure(q)
	if err := q.err(); err != nil {
		return err
	}
	data, err := bodyOf(c, maxChangeset)
	if err != nil {
		return err
	}
	edits, err := parseClusterEdits(data)
	if err != nil {
		return err
	}
	tags, _, err := conditions(c.Request())
	if err != nil {
		return err
	}
	for i := range edits {
		if len(edits[i].IfMatch) == 0 {
			edits[i].IfMatch = tags // of the configuration
		}
	}
	if how.draft != "" {
		return h.changeInDraft(c, how, edits)
	}
	out, err := h.carryOut(c, edits, how)
	if err != nil {
		return err
	}
	if out.Cluster != nil {
		c.Response().Header().Set(headerETag, clusterTag(*out.Cluster))
	}
	return respond(c, http.StatusOK, out)
}
