package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/internal/permit"
	"thalassa/lb"
)

const (
	// monitorWait is how long a monitor request waits. Proxies between the caller and
	// this server give up after 50 or 60 s without a byte, or after 30 s.
	monitorWait = 25 * time.Second
	// maxMonitorWait bounds the parameter wait, and minHeartbeat the parameter heartbeat.
	maxMonitorWait, minHeartbeat = 10 * time.Minute, time.Second
)

// A monitorRequest is the query of a monitor request.
type monitorRequest struct {
	known *cluster.Epoch // nil: the caller knows none
	wait  time.Duration
	// heartbeat is the time between two spaces in the answer; 0: none are sent.
	heartbeat time.Duration
}

// monitor answers with the version of the CIB as soon as it differs from the one that
// the caller knows, and after some time in any case.
func (h clusterHandlers) monitor(c echo.Context) error {
	r, err := readMonitorRequest(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	bounded, cancel := waiting(c.Request().Context())
	defer cancel()
	bounded, cancel = context.WithTimeout(bounded, r.wait)
	defer cancel()
	beat := heartbeat{c: c}
	if r.heartbeat > 0 {
		ticker := time.NewTicker(r.heartbeat)
		defer ticker.Stop()
		beat.tick = ticker.C
	}
	epoch, err := h.awaitEpoch(bounded, r.known, &beat)
	if beat.begun {
		return beat.end(epoch, err)
	}
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, epochAnswer{epoch})
}

type epochAnswer struct {
	Epoch cluster.Epoch `json:"epoch"`
}

// awaitEpoch waits until the CIB has another version than the known one, or ctx ends.
func (h clusterHandlers) awaitEpoch(ctx context.Context, known *cluster.Epoch, beat *heartbeat) (cluster.Epoch, error) {
	for {
		var next <-chan struct{}
		if h.view != nil {
			next = h.view.Changed() // taken before the status is read, so that no change is missed
		}
		now, err := h.epoch()
		if err != nil || known == nil || now != *known || ctx.Err() != nil {
			return now, err // the end of the time is an answer
		}
		select {
		case <-next:
		case <-ctx.Done():
		case <-beat.tick:
			if err := beat.send(); err != nil {
				return now, err
			}
		}
		if err := permit.Check(ctx); err != nil {
			return now, err
		}
	}
}

// epoch is the version of the CIB. It is a function of its own, so that a request that waits
// keeps no whole status on its stack.
//
//go:noinline
func (h clusterHandlers) epoch() (cluster.Epoch, error) {
	v, err := h.status()
	if err == nil && v.State == cluster.StateOffline {
		err = &lb.UnavailableError{What: "Pacemaker does not answer on this node"}
	}
	return v.Epoch, err
}

// A heartbeat begins an answer with spaces, which JSON allows, so that no proxy regards the
// connection as dead.
type heartbeat struct {
	c     echo.Context
	tick  <-chan time.Time // nil: no heartbeat
	begun bool
}

// send sends one space. The first one also sends the status 200.
func (b *heartbeat) send() error {
	control := http.NewResponseController(b.c.Response())
	if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting the deadline of the answer: %w", err)
	}
	if !b.begun {
		b.begun = true
		b.c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
		b.c.Response().WriteHeader(http.StatusOK)
	}
	if _, err := b.c.Response().Write([]byte(" ")); err != nil {
		return err
	}
	return control.Flush()
}

// end ends the answer after a heartbeat. The status has been sent: an error is in the body,
// as {"error": …}.
func (b *heartbeat) end(epoch cluster.Epoch, err error) error {
	var answer any = epochAnswer{epoch}
	if err != nil {
		answer = struct {
			Error string `json:"error"`
		}{err.Error()}
	}
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(answer); err != nil {
		return err
	}
	_, err = b.c.Response().Write(text.Bytes())
	return err
}

// readMonitorRequest reads the query of a monitor request: an epoch, and the parameters
// wait and heartbeat.
func readMonitorRequest(query string) (monitorRequest, error) {
	r := monitorRequest{wait: monitorWait}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		text, err := url.QueryUnescape(part)
		if err != nil {
			return r, invalidField("query", "is not decodable", "admin_epoch:epoch:num_updates, wait=…, heartbeat=…")
		}
		switch name, value, _ := strings.Cut(text, "="); name {
		case "wait":
			if r.wait, err = monitorTime(name, value, 0); err != nil {
				return r, err
			}
		case "heartbeat":
			if r.heartbeat, err = monitorTime(name, value, minHeartbeat); err != nil {
				return r, err
			}
		default:
			epoch, err := cluster.ParseEpoch(text)
			if err != nil || r.known != nil {
				return r, invalidField("query", "is not a version of the CIB", "admin_epoch:epoch:num_updates, e.g. 0:12:34, then wait=… and heartbeat=…")
			}
			r.known = &epoch
		}
	}
	return r, nil
}

// monitorTime reads a duration of a monitor request.
func monitorTime(name, value string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > maxMonitorWait {
		return 0, invalidField(name, "is not a valid duration", fmt.Sprintf(`%s to %s, e.g. "20s"`, least, maxMonitorWait))
	}
	return d, nil
}
