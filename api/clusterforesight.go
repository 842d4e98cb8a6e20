package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

const (
	clusterChangesPath = "/cluster/changes"
	simulatePath       = "/cluster/simulate"
	lossesPath         = "/cluster/losses"
	// maxUploadedCIB is the maximum size of the body of a simulation, which may have a CIB.
	maxUploadedCIB = 8 << 20
	// simulationsAtATime are the simulations that callers have run at the same time: one of
	// each.
	simulationsAtATime = 2
)

// ClusterForesight simulates the cluster, as *pacemaker.Foresight does. It changes nothing.
type ClusterForesight interface {
	// Foresee tells what edits, another CIB, events and another time would do.
	Foresee(ctx context.Context, q config.Question) (config.Foreseen, error)
	// Losses are what is known about the failure of nodes.
	Losses() cluster.Losses
	// Lose tells what the failure of nodes at the same time would do.
	Lose(ctx context.Context, nodes []string) (cluster.Loss, error)
}

// foresightHandlers tell what the cluster would do.
type foresightHandlers struct {
	clusterConfigHandlers

	foresight ClusterForesight // nil: this node is in no cluster
	pasts     pasts
	turns     *budget
}

func newForesightHandlers(objects clusterConfigHandlers, foresight ClusterForesight, past pasts) foresightHandlers {
	return foresightHandlers{objects, foresight, past, newBudget("simulations of the cluster", simulationsAtATime)}
}

// foresee answers a question when it is the caller's turn.
func (h foresightHandlers) foresee(c echo.Context, q config.Question) (config.Foreseen, error) {
	release, err := h.turns.claim(c)
	if err != nil {
		return config.Foreseen{}, err
	}
	defer release()
	return h.foresight.Foresee(c.Request().Context(), q)
}

// simulationBody is the body of a simulation.
type simulationBody struct {
	Draft  string              `json:"draft"`
	CIB    string              `json:"cib"`
	Inject []cluster.Injection `json:"inject"`
	At     time.Time           `json:"at"`
	// Transition is one of the past, and Import whose past that is; empty: this cluster's.
	Transition string `json:"transition"`
	Import     string `json:"import"`
}

// check reports fields that do not go together.
func (b simulationBody) check() error {
	switch {
	case b.CIB != "" && b.Draft != "":
		return invalidField("cib", "is given with a draft", "one of them: a draft is about the cluster's CIB")
	case b.Transition != "" && b.CIB+b.Draft != "":
		return invalidField("transition", "is given with a draft or a CIB", "one of them: a transition has a CIB of its own")
	case b.Import != "" && b.Transition == "":
		return invalidField("import", "is given without a transition", "a transition of that import")
	}
	return cluster.CheckInjections("inject", b.Inject)
}

// supposed answers what the scheduler would have decided in a transition of the past.
func (h foresightHandlers) supposed(c echo.Context, in simulationBody) error {
	past, err := h.pasts.own()
	if in.Import != "" {
		past, err = h.pasts.ofImport(in.Import)
	}
	if err != nil {
		return err
	}
	return inTurn(c, h.turns, func(ctx context.Context) (any, error) {
		predicted, err := past.Suppose(ctx, in.Transition, cluster.Scenario{Inject: in.Inject, At: in.At})
		return config.Foreseen{Changes: []string{}, Warnings: []string{}, Objects: []config.Difference{}, Predicted: predicted}, err
	})
}

// simulate tells what the cluster would do.
func (h foresightHandlers) simulate(c echo.Context) error {
	data, err := bodyOf(c, maxUploadedCIB)
	if err != nil {
		return err
	}
	var in simulationBody
	if len(data) > 0 {
		if err := strictjson.Decode(data, &in); err != nil {
			return err
		}
	}
	if err := in.check(); err != nil {
		return err
	}
	if in.Transition != "" {
		return h.supposed(c, in)
	}
	if _, err := h.status(); err != nil {
		return err
	}
	q := config.Question{CIB: []byte(in.CIB), Scenario: cluster.Scenario{Inject: in.Inject, At: in.At}}
	if in.Draft != "" {
		d, err := h.draft(c, in.Draft)
		if err != nil {
			return err
		}
		if q, err = h.questionOf(c.Request().Context(), d); err != nil {
			return err
		}
		q.Inject = append(q.Inject, in.Inject...)
		if !in.At.IsZero() {
			q.At = in.At
		}
	}
	out, err := h.foresee(c, q)
	if alone, ok := asSingle(err); ok {
		return alone
	}
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, out)
}

// losses tells which nodes the cluster may lose.
func (h foresightHandlers) losses(c echo.Context) error {
	if _, err := h.status(); err != nil {
		return err
	}
	return respond(c, http.StatusOK, h.foresight.Losses())
}

// lose tells what the failure of the nodes in the body would do.
func (h foresightHandlers) lose(c echo.Context) error {
	data, err := body(c)
	if err != nil {
		return err
	}
	var in struct {
		Nodes []string `json:"nodes"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return err
	}
	if _, err := h.status(); err != nil {
		return err
	}
	return inTurn(c, h.turns, func(ctx context.Context) (any, error) { return h.foresight.Lose(ctx, in.Nodes) })
}

// clusterDraftBody is what a request says of a draft.
type clusterDraftBody struct {
	ID      string          `json:"id"`
	Message string          `json:"message"`
	Listed  bool            `json:"listed"`
	At      json.RawMessage `json:"at"`
}

// parseClusterDraft reads the body of a request about a draft over what there is.
func parseClusterDraft(data []byte, d *config.Draft) error {
	in := clusterDraftBody{ID: d.ID, Message: d.Message, Listed: d.Listed}
	if len(data) > 0 {
		if err := strictjson.Decode(data, &in); err != nil {
			return err
		}
	}
	var fe lb.FieldErrors
	if _, err := lb.ParseName(in.ID); in.ID != "" && err != nil {
		fe.Add("id", "is "+shown(in.ID), "letters, digits and _ . : -")
	}
	if len(in.Message) > maxDraftMessage {
		fe.Add("message", "is too long", "at most 200 bytes")
	}
	if len(in.At) > 0 {
		var at *time.Time
		switch {
		case json.Unmarshal(in.At, &at) != nil:
			fe.Add("at", "is no time", "a time as 2026-07-01T12:00:00Z, or null")
		case at == nil:
			d.At = time.Time{}
		default:
			d.At = *at
		}
	}
	d.ID, d.Message, d.Listed = in.ID, in.Message, in.Listed
	return fe.Err()
}

// maxDraftMessage bounds the message of a draft, in bytes.
const maxDraftMessage = 200
