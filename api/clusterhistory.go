package api

import (
	"context"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/cluster/failover"
	"thalassa/lb"
)

// clusterHistoryPath is where the past of the cluster is.
const clusterHistoryPath = "/cluster/history"

// ClusterHistory tells what the cluster went through, as history.Past does. A transition
// that there is not is an *lb.NotFoundError.
type ClusterHistory interface {
	// Find lists transitions, the newest first; more: there are more than limit.
	Find(f cluster.HistoryFilter, limit int) (list []cluster.Transition, more bool)
	// Operations lists results of operations, the newest first.
	Operations(f cluster.HistoryFilter, limit int) (list []cluster.OperationResult, more bool)
	Transition(id string) (cluster.Transition, error)
	// Neighbors are the transitions before and after one; empty: there is none.
	Neighbors(id string) (before, after string)
	// State is the state that the scheduler saw.
	State(ctx context.Context, id string) (cluster.Status, error)
	// At is the state at an instant, with what it was made from. One before all transitions
	// is an *lb.NotFoundError.
	At(ctx context.Context, at time.Time) (cluster.Moment, error)
	// Predicted is what the scheduler decided.
	Predicted(ctx context.Context, id string) (cluster.Prediction, error)
	// Suppose is what it would have decided under a scenario. Errors are those of
	// ClusterForesight; an import without secrets is an *lb.NotFoundError.
	Suppose(ctx context.Context, id string, s cluster.Scenario) (cluster.Prediction, error)
	// Explain says what became of the incident or the move that a transition belongs to.
	Explain(ctx context.Context, id string) (failover.Explanation, error)
	// Difference is what became of the configuration from one transition to another.
	Difference(from, to string) ([]config.Difference, error)
	// Authors are who changed the configuration between them.
	Authors(from, to string) []cluster.Authorship
	// Log is what was logged in an interval; LogOf is that of a transition.
	Log(ctx context.Context, from, to time.Time, limit int) cluster.Logged
	LogOf(id string) (from, to time.Time, err error)
	MaskedCIB(id string) ([]byte, error)
	// File is the input as Pacemaker has kept it, with secrets.
	File(id string) (name string, data []byte, err error)
	// Export writes a .tar.gz of the transitions of a filter, without secrets. It has written
	// nothing if there is none, which is an *lb.NotFoundError.
	Export(ctx context.Context, w io.Writer, f cluster.HistoryFilter, by cluster.HistoryOrigin) error
}

// pasts finds the past that a request is about.
type pasts struct {
	clusterHandlers

	history ClusterHistory // nil: none is kept
	// imported is the past of an import; nil: there are none.
	imported func(id string) (ClusterHistory, error)
}

// clusterHistoryHandlers show the past of the cluster.
type clusterHistoryHandlers struct {
	pasts

	turns   *budget // of the scheduler
	now     func() time.Time
	exports *budget // files of the history that are being made
	version string  // of Thalassa
}

// importParameter names the import whose past a request is about, instead of this cluster's.
const importParameter = "import"

// isOfImport reports whether a request is about the past of an import.
func isOfImport(c echo.Context) bool { return c.QueryParams().Has(importParameter) }

// past is the history that a request is about, or the error that says why there is none.
func (h pasts) past(c echo.Context) (ClusterHistory, error) {
	if isOfImport(c) {
		return h.ofImport(c.QueryParam(importParameter))
	}
	return h.own()
}

// ofImport is the history of an import.
func (h pasts) ofImport(id string) (ClusterHistory, error) {
	if h.imported == nil {
		return nil, errNoImports()
	}
	return h.imported(id)
}

// own is the history of this cluster.
func (h pasts) own() (ClusterHistory, error) {
	if h.history == nil {
		_, err := h.status()
		if err == nil {
			err = &lb.UnavailableError{What: "the history of the cluster is not kept"}
		}
		return nil, err
	}
	return h.history, nil
}

// chosen is the history, and what the parameters choose of it; further are parameters beside
// those of all lists.
func (h clusterHistoryHandlers) chosen(c echo.Context, further ...string) (ClusterHistory, cluster.HistoryFilter, int, error) {
	p := parameters(c.Request(), append([]string{"from", "to", "node", "resource", "limit", importParameter}, further...)...)
	f := cluster.HistoryFilter{From: p.time("from"), To: p.time("to"), Node: p.text("node"), Resource: p.text("resource"), Tag: p.text("tag"), Author: p.text("author")}
	limit := p.limit()
	err := p.err()
	if err == nil {
		err = f.Check()
	}
	if err != nil {
		return nil, f, limit, err
	}
	past, err := h.past(c)
	return past, f, limit, err
}

// list answers with transitions, without their operations.
func (h clusterHistoryHandlers) list(c echo.Context) error {
	past, f, limit, err := h.chosen(c, "tag", "author")
	if err != nil {
		return err
	}
	list, more := past.Find(f, limit)
	for i := range list {
		list[i].Operations = nil
	}
	return respond(c, http.StatusOK, struct {
		Transitions []cluster.Transition `json:"transitions"`
		More        bool                 `json:"more"`
	}{list, more})
}

// operations answers with results of operations.
func (h clusterHistoryHandlers) operations(c echo.Context) error {
	past, f, limit, err := h.chosen(c)
	if err != nil {
		return err
	}
	list, more := past.Operations(f, limit)
	return respond(c, http.StatusOK, struct {
		Operations []cluster.OperationResult `json:"operations"`
		More       bool                      `json:"more"`
	}{list, more})
}

// show answers with one transition.
func (h clusterHistoryHandlers) show(c echo.Context) error {
	past, err := h.past(c)
	if err != nil {
		return err
	}
	t, err := past.Transition(c.Param("id"))
	if err != nil {
		return err
	}
	before, after := past.Neighbors(t.ID)
	return respond(c, http.StatusOK, struct {
		cluster.Transition

		Before string `json:"before,omitempty"`
		After  string `json:"after,omitempty"`
	}{t, before, after})
}

// state answers with the state that the scheduler saw, in the form of GET /cluster.
func (h clusterHistoryHandlers) state(c echo.Context) error {
	return h.ask(c, func(ctx context.Context, past ClusterHistory, id string) (any, error) { return past.State(ctx, id) })
}

// at answers with the state of the cluster at an instant.
func (h clusterHistoryHandlers) at(c echo.Context) error {
	p := parameters(c.Request(), "time", importParameter)
	at := p.time("time")
	switch {
	case p.text("time") == "":
		p.add("time", "is missing", "a time, RFC 3339")
	case at.After(h.now()):
		p.add("time", "is in the future", "a time of the past, RFC 3339")
	}
	if err := p.err(); err != nil {
		return err
	}
	return h.ask(c, func(ctx context.Context, past ClusterHistory, _ string) (any, error) { return past.At(ctx, at) })
}

// decisions answers with what the scheduler decided.
func (h clusterHistoryHandlers) decisions(c echo.Context) error {
	return h.ask(c, func(ctx context.Context, past ClusterHistory, id string) (any, error) { return past.Predicted(ctx, id) })
}

// explain answers with the phases of a failover or a move, and what cost time.
func (h clusterHistoryHandlers) explain(c echo.Context) error {
	return h.ask(c, func(ctx context.Context, past ClusterHistory, id string) (any, error) { return past.Explain(ctx, id) })
}

// ask asks Pacemaker's tools about a transition when it is the caller's turn.
func (h clusterHistoryHandlers) ask(c echo.Context, question func(ctx context.Context, past ClusterHistory, id string) (any, error)) error {
	past, err := h.past(c)
	if err != nil {
		return err
	}
	return inTurn(c, h.turns, func(ctx context.Context) (any, error) { return question(ctx, past, c.Param("id")) })
}

// diff answers with what became of the configuration since the transition before, or since
// another one.
func (h clusterHistoryHandlers) diff(c echo.Context) error {
	p := parameters(c.Request(), "with", importParameter)
	if err := p.err(); err != nil {
		return err
	}
	past, err := h.past(c)
	if err != nil {
		return err
	}
	t, err := past.Transition(c.Param("id"))
	if err != nil {
		return err
	}
	other := p.text("with")
	if other == "" {
		other, _ = past.Neighbors(t.ID)
	}
	out := struct {
		From    string                       `json:"from"` // empty: there is none before
		To      string                       `json:"to"`
		Change  *cluster.ConfigurationChange `json:"change,omitempty"`
		Authors []cluster.Authorship         `json:"authors"` // of the versions between them
		Objects []config.Difference          `json:"objects"`
	}{other, t.ID, t.Change, []cluster.Authorship{}, []config.Difference{}}
	if other != "" {
		out.Authors = past.Authors(other, t.ID)
		if out.Objects, err = past.Difference(other, t.ID); err != nil {
			return err
		}
	}
	if len(out.Objects) == 0 {
		out.Change = nil // it is older
	}
	return respond(c, http.StatusOK, out)
}

// maxLogInterval bounds the interval of a log.
const maxLogInterval = 24 * time.Hour

// log answers with what was logged in an interval.
func (h clusterHistoryHandlers) log(c echo.Context) error {
	p := parameters(c.Request(), "from", "to", "limit", importParameter)
	from, to, limit := p.time("from"), p.time("to"), p.limit()
	if from.IsZero() {
		p.add("from", "is missing", "a time, RFC 3339")
	}
	if to.IsZero() {
		p.add("to", "is missing", "a time, RFC 3339")
	}
	if interval := to.Sub(from); !from.IsZero() && !to.IsZero() && (interval < 0 || interval > maxLogInterval) {
		p.add("to", "is not in the day after from", "a time after from, at most 24 hours later")
	}
	if err := p.err(); err != nil {
		return err
	}
	return h.logged(c, limit, func(ClusterHistory) (time.Time, time.Time, error) { return from, to, nil })
}

// logOf answers with what was logged around a transition.
func (h clusterHistoryHandlers) logOf(c echo.Context) error {
	p := parameters(c.Request(), "limit", importParameter)
	limit := p.limit()
	if err := p.err(); err != nil {
		return err
	}
	return h.logged(c, limit, func(past ClusterHistory) (time.Time, time.Time, error) { return past.LogOf(c.Param("id")) })
}

func (h clusterHistoryHandlers) logged(c echo.Context, limit int, interval func(past ClusterHistory) (from, to time.Time, err error)) error {
	return h.ask(c, func(ctx context.Context, past ClusterHistory, _ string) (any, error) {
		from, to, err := interval(past)
		if err != nil {
			return nil, err
		}
		return past.Log(ctx, from, to, limit), nil
	})
}

// cib answers with the input as XML, without secrets.
func (h clusterHistoryHandlers) cib(c echo.Context) error {
	past, err := h.past(c)
	if err != nil {
		return err
	}
	data, err := past.MaskedCIB(c.Param("id"))
	if err != nil {
		return err
	}
	return write(c, http.StatusOK, echo.MIMEApplicationXMLCharsetUTF8, data)
}

// file answers with the input as Pacemaker has kept it.
func (h clusterHistoryHandlers) file(c echo.Context) error {
	past, err := h.past(c)
	if err != nil {
		return err
	}
	name, data, err := past.File(c.Param("id"))
	if err != nil {
		return err
	}
	c.Set(exportKey, true) // it has secrets
	c.Response().Header().Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	return write(c, http.StatusOK, echo.MIMEOctetStream, data)
}
