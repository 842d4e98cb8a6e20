package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/lb"
)

// ClusterView shows the Pacemaker cluster that this node is part of, as
// *pacemaker.Watcher has it.
type ClusterView interface {
	// View is the last known state; its State is empty before the first look,
	// cluster.StateOffline while Pacemaker does not answer, and cluster.StateNone where
	// this node is in no cluster.
	View() cluster.Status
	// Changed closes with the next change of the view.
	Changed() <-chan struct{}
	// MaskedCIB is the CIB as XML, without secrets.
	MaskedCIB() ([]byte, error)
	// Operations are the results of operations that the cluster remembers, the latest last.
	Operations() ([]cluster.OperationResult, error)
}

// ClusterActions acts on the cluster, as *pacemaker.Cluster does.
type ClusterActions interface {
	// Predict returns what an action would do.
	Predict(ctx context.Context, a cluster.Action) (cluster.Consequences, error)
	// Do carries out an action as a job, and returns the final state. The state is empty if
	// the job has ended before: another request had the same Idempotency-Key.
	Do(ctx context.Context, a cluster.Action, o cluster.Order) (cluster.Status, cluster.Job, error)
	// Begin is Do that returns when the job has begun.
	Begin(ctx context.Context, a cluster.Action, o cluster.Order) (cluster.Job, error)
}

// clusterHandlers show the Pacemaker cluster and act on it.
type clusterHandlers struct {
	view    ClusterView    // nil: this node is in no cluster
	actions ClusterActions // nil with view
	jobs    ClusterJobs    // nil with view
}

// status is the state of the cluster, or the error that says why there is none.
func (h clusterHandlers) status() (cluster.Status, error) {
	v := cluster.Status{State: cluster.StateNone}
	if h.view != nil {
		v = h.view.View()
	}
	if v.State == cluster.StateNone {
		return v, &ResponseError{
			Status: http.StatusNotFound, Code: "not_found",
			Message: "this node is in no cluster: Pacemaker does not run here, or the agent's setting cluster is off",
		}
	}
	if v.State == "" {
		return v, &lb.UnavailableError{What: "the state of the cluster is not known yet"}
	}
	return v, nil
}

// clusterTag is the entity tag of the cluster's configuration. A change of the status
// alone does not change it, so it is never a reason to answer 304.
func clusterTag(v cluster.Status) string { return `"` + v.Epoch.Configuration() + `"` }

func (h clusterHandlers) show(c echo.Context) error {
	return h.respond(c, func(v cluster.Status) any { return v })
}

func (h clusterHandlers) showNodes(c echo.Context) error {
	return h.respond(c, func(v cluster.Status) any { return orEmpty(v.Nodes) })
}

func (h clusterHandlers) showResources(c echo.Context) error {
	return h.respond(c, func(v cluster.Status) any { return orEmpty(v.Resources) })
}

func (h clusterHandlers) respond(c echo.Context, part func(cluster.Status) any) error {
	v, err := h.status()
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, clusterTag(v))
	return respond(c, http.StatusOK, part(v))
}

func (h clusterHandlers) showCIB(c echo.Context) error {
	v, err := h.status()
	if err != nil {
		return err
	}
	cib, err := h.view.MaskedCIB()
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, clusterTag(v))
	return write(c, http.StatusOK, echo.MIMEApplicationXMLCharsetUTF8, cib)
}

func (h clusterHandlers) simulate(c echo.Context) error {
	a, err := h.action(c, c.Param("action"))
	if err != nil {
		return err
	}
	if err := h.meets(c); err != nil {
		return err
	}
	consequences, err := h.actions.Predict(c.Request().Context(), a)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, consequences)
}

func (h clusterHandlers) act(c echo.Context) error {
	kind := c.Param("action")
	if cluster.IsOfMembers(kind) { // which needs another role
		return echo.ErrNotFound
	}
	return h.carryOut(c, kind)
}

// leave takes a node out of the cluster.
func (h clusterHandlers) leave(c echo.Context) error { return h.carryOut(c, cluster.Leave) }

// forget takes nodes out of the cluster that are gone.
func (h clusterHandlers) forget(c echo.Context) error { return h.carryOut(c, cluster.Forget) }

// carryOut carries out an action of a kind.
func (h clusterHandlers) carryOut(c echo.Context, kind string) error {
	a, err := h.action(c, kind)
	if err != nil {
		return err
	}
	o, err := order(c, a)
	if err != nil {
		return err
	}
	unmet := h.meets(c)
	if errors.As(unmet, new(*lb.PreconditionError)) { // what has changed since may be its own doing
		repeated, err := h.isRepeated(c.Request().Context(), o)
		if err != nil {
			return err
		}
		if repeated {
			unmet = nil
		}
	}
	if unmet != nil {
		return unmet
	}
	return h.asJob(c, a, o, func(v cluster.Status, _ cluster.Job) any { return v })
}

// asJob carries out an action as a job, and answers with what is made of the status and the job; or, if
// the caller does not wait, with the job when it has begun.
func (h clusterHandlers) asJob(c echo.Context, a cluster.Action, o cluster.Order, answer func(cluster.Status, cluster.Job) any) error {
	if isAsync(c.Request()) {
		j, err := h.actions.Begin(c.Request().Context(), a, o)
		if err != nil {
			return err
		}
		setJob(c, j)
		return respond(c, http.StatusAccepted, j)
	}
	v, j, err := h.actions.Do(c.Request().Context(), a, o)
	setJob(c, j)
	if err != nil {
		return err
	}
	if v.State == "" { // the job has ended before
		if v, err = h.status(); err != nil {
			return err
		}
	}
	c.Response().Header().Set(headerETag, clusterTag(v))
	return respond(c, http.StatusOK, answer(v, j))
}

// action reads an action.
func (h clusterHandlers) action(c echo.Context, kind string) (cluster.Action, error) {
	if _, err := h.status(); err != nil {
		return cluster.Action{}, err
	}
	if !slices.Contains(cluster.ActionKinds(), kind) {
		return cluster.Action{}, echo.ErrNotFound
	}
	data, err := body(c)
	if err != nil {
		return cluster.Action{}, err
	}
	if len(data) > 0 && !json.Valid(data) {
		return cluster.Action{}, invalidField("body", "is not JSON", "an object with node, resource and wait")
	}
	a, err := cluster.ParseAction(kind, data)
	if err != nil {
		return a, err
	}
	a.Author = Author(c)
	return a, nil
}

// meets checks the conditions of a request about an action.
func (h clusterHandlers) meets(c echo.Context) error {
	v, err := h.status()
	if err != nil {
		return err
	}
	tags, ifNew, err := conditions(c.Request())
	if err != nil {
		return err
	}
	if ifNew || len(tags) > 0 && !slices.Contains(tags, "*") && !slices.Contains(tags, clusterTag(v)) {
		return &lb.PreconditionError{ID: "cluster", Current: clusterTag(v)}
	}
	return nil
}
