package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"thalassa/api/node"
	"thalassa/lb"
)

// A Canary is a deploy in steps, with its progress.
type Canary = node.Canary

// A CanaryRequest asks for a deploy in steps. Zero values are the agent's defaults.
type CanaryRequest struct {
	Version     string
	Steps       []int // percentages, ascending, the last one 100
	Every       time.Duration
	AbortOn     string // conditions, e.g. "5xx>1%"; empty: none
	MinRequests int64
	// Wait is how long a healthy instance may take to appear, 10 minutes at most.
	Wait time.Duration
	// Lease is how long the canary continues without a renewal; 0: to its end.
	Lease time.Duration
}

// StartCanary begins a deploy in steps and returns when the first step is in effect. A
// version without a healthy instance, and a canary under way, are a "conflict".
func (c *Client) StartCanary(ctx context.Context, key string, r CanaryRequest, conditions ...Condition) (Canary, error) {
	body := struct {
		Version     string `json:"version"`
		Steps       []int  `json:"steps"`
		Every       string `json:"every,omitempty"`
		AbortOn     string `json:"abortOn"`
		MinRequests int64  `json:"minRequests,omitempty"`
		Wait        string `json:"wait,omitempty"`
		Lease       string `json:"lease,omitempty"`
	}{r.Version, r.Steps, text(r.Every), r.AbortOn, r.MinRequests, text(r.Wait), text(r.Lease)}
	return c.changeCanary(ctx, call{method: http.MethodPost, path: object("backends", key) + "/canary", body: body, conditions: conditions, wait: max(r.Wait, 0)})
}

// Canary is the last canary of a backend.
func (c *Client) Canary(ctx context.Context, key string) (Canary, error) {
	var out Canary
	_, err := c.transport.get(ctx, object("backends", key)+"/canary", &out)
	return out, err
}

// ControlCanary carries out an action on a canary that has not ended. A canary that has ended is a
// "conflict".
func (c *Client) ControlCanary(ctx context.Context, key string, a lb.CanaryAction) (Canary, error) {
	return c.changeCanary(ctx, call{method: http.MethodPost, path: object("backends", key) + "/canary/" + url.PathEscape(string(a))})
}

func (c *Client) changeCanary(ctx context.Context, q call) (Canary, error) {
	var out Canary
	a, err := c.transport.do(ctx, q)
	if err != nil {
		return out, err
	}
	return out, a.decode(&out)
}

// text is a duration in a body; empty for 0.
func text(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
