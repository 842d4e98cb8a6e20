package api

import (
	"context"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// backendHandlers show and change backends.
type backendHandlers struct {
	agent       *Agent
	stats       func(ctx context.Context, backend lb.Name) ([]lb.ServerStats, error) // may be nil
	health      serverHealth
	connections func(ctx context.Context, backend lb.Name) ([]lb.ServerConnections, error) // may be nil

	changeMember MemberChanger // may be nil
}

func (h backendHandlers) list(c echo.Context) error {
	return listObjects(c, h.agent, lb.Intent.SortedBackends, h.document(c))
}

// document makes the document of a backend, with its members now.
func (h backendHandlers) document(c echo.Context) func(lb.Backend) node.Backend {
	snap := sync.OnceValue(func() lb.Snapshot { return h.agent.Snapshot(c.Request().Context()) }) // read after the intent
	return func(b lb.Backend) node.Backend { return newBackend(lb.Populate(b, snap()), snap()) }
}

// find is the backend that the path names, with its members.
func (h backendHandlers) find(c echo.Context) (lb.ResolvedBackend, error) {
	b, _, err := findInPath[lb.Backend](c, h.agent, lb.KindBackend)
	if err != nil {
		return lb.ResolvedBackend{}, err
	}
	return lb.Populate(b, h.agent.Snapshot(c.Request().Context())), nil
}

// show answers with a backend; with unused=1, also with what gets no requests. It
// answers 304 for static backends only: the members of a dynamic backend
// change, but its entity tag, which is that of the definition, does not.
func (h backendHandlers) show(c echo.Context) error {
	b, err := h.find(c)
	if err != nil {
		return err
	}
	overridden := len(h.agent.Snapshot(c.Request().Context()).Overrides.Of(b.Key)) > 0 // which the tag does not cover
	q := &params{values: c.QueryParams()}
	withUnused := q.flag("unused")
	if err := q.err(); err != nil {
		return err
	}
	out, same := newBackend(b, h.agent.Snapshot(c.Request().Context())), unchanged(c, b.ETag())
	if withUnused { // it may differ
		out.Unused = node.NewUnused(b.Unused(h.agent.Snapshot(c.Request().Context()), h.health.read(c.Request().Context())(b.Key)))
		return respond(c, http.StatusOK, out)
	}
	if same && b.Type == "static" && !overridden {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, out)
}

// newBackend is the answer for a backend with the overrides of its members.
func newBackend(p lb.ResolvedBackend, snap lb.Snapshot) node.Backend {
	out := node.NewBackend(p)
	out.Overrides = node.NewDormantOverrides(p, snap.Overrides)
	return out
}

func (h backendHandlers) put(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	e, err := node.ParsePut(string(key), data)
	if err != nil {
		return err
	}
	return putObject(c, h.agent, e, *e.Backend, h.document(c))
}

func (h backendHandlers) delete(c echo.Context) error {
	id, err := pathID(c, lb.KindBackend)
	if err != nil {
		return err
	}
	return remove(c, h.agent, id)
}

// members lists the members of a backend; with stats=1 each has HAProxy's statistics,
// and with leaving=1 the list has the former members that still have connections.
func (h backendHandlers) members(c echo.Context) error {
	q := parameters(c.Request(), "stats", "leaving")
	withStats, leaving := q.flag("stats"), q.flag("leaving")
	if withStats && leaving {
		q.add("leaving", "cannot be combined with stats", "either stats or leaving")
	}
	if err := q.err(); err != nil {
		return err
	}
	b, err := h.find(c)
	switch {
	case err != nil:
		return err
	case leaving:
		return h.respondLeaving(c, b)
	case withStats:
		return h.respondStats(c, b)
	}
	return respond(c, http.StatusOK, node.NewMembers(b.Members))
}

// respondLeaving lists the former members of a backend that still have connections.
func (h backendHandlers) respondLeaving(c echo.Context, b lb.ResolvedBackend) error {
	if h.connections == nil {
		return &lb.UnavailableError{What: "connections are not available"}
	}
	connections, err := h.connections(c.Request().Context(), b.Key)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDrainingMembers(b.Leaving(connections, h.agent.Snapshot(c.Request().Context()))))
}

// respondStats lists the members of a backend with HAProxy's statistics.
func (h backendHandlers) respondStats(c echo.Context, b lb.ResolvedBackend) error {
	if h.stats == nil {
		return &lb.UnavailableError{What: "statistics are not available"}
	}
	lines, err := h.stats(c.Request().Context(), b.Key)
	if err != nil {
		return err
	}
	out := node.NewMembers(b.Members)
	for i, m := range b.Members {
		if line, ok := m.Stats(lines); ok {
			stats := node.NewServerStats(line)
			out[i].Stats = &stats
		}
	}
	return respond(c, http.StatusOK, out)
}
