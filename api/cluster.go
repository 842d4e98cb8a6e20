package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/stream"
)

// monitorWait is the longest that a monitor request waits.
const monitorWait = 60 * time.Second

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
}

// ClusterActions acts on the cluster, as *pacemaker.Cluster does.
type ClusterActions interface {
	// Predict tells what an action would do.
	Predict(ctx context.Context, a cluster.Action) (cluster.Consequences, error)
	// Do carries an action out and gives the final state.
	Do(ctx context.Context, a cluster.Action) (cluster.Status, error)
}

// clusterNow is the cluster, or why there is none to show.
func (s *Server) clusterNow() (cluster.Status, error) {
	v := cluster.Status{State: cluster.StateNone}
	if s.cfg.Cluster != nil {
		v = s.cfg.Cluster.View()
	}
	if v.State == cluster.StateNone {
		return v, &failure{
			status: http.StatusNotFound, Code: "not_found",
			Message: "this node is in no cluster: Pacemaker does not run here, or the agent's setting cluster is off",
		}
	}
	if v.State == "" {
		return v, &lb.UnavailableError{What: "the cluster has not been looked at yet"}
	}
	return v, nil
}

// clusterTag is the entity tag of the cluster's configuration. It stays when
// the status alone has changed, so nothing is ever answered with 304 by it.
func clusterTag(v cluster.Status) string { return `"` + v.Epoch.Configuration() + `"` }

func (s *Server) cluster(c echo.Context) error {
	return s.respondCluster(c, func(v cluster.Status) any { return v })
}

func (s *Server) clusterNodes(c echo.Context) error {
	return s.respondCluster(c, func(v cluster.Status) any { return orEmpty(v.Nodes) })
}

func (s *Server) clusterResources(c echo.Context) error {
	return s.respondCluster(c, func(v cluster.Status) any { return orEmpty(v.Resources) })
}

func (s *Server) respondCluster(c echo.Context, part func(cluster.Status) any) error {
	v, err := s.clusterNow()
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, clusterTag(v))
	return respond(c, http.StatusOK, part(v))
}

func (s *Server) clusterCIB(c echo.Context) error {
	v, err := s.clusterNow()
	if err != nil {
		return err
	}
	cib, err := s.cfg.Cluster.MaskedCIB()
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, clusterTag(v))
	return write(c, http.StatusOK, echo.MIMEApplicationXMLCharsetUTF8, cib)
}

// monitor answers with the version of the CIB as soon as it is not the one that
// the caller knows, and after a minute in any case.
func (s *Server) monitor(c echo.Context) error {
	known, err := monitorEpoch(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	bounded, cancel := waiting(c.Request().Context())
	defer cancel()
	bounded, cancel = context.WithTimeout(bounded, monitorWait)
	defer cancel()
	for {
		var next <-chan struct{}
		if s.cfg.Cluster != nil {
			next = s.cfg.Cluster.Changed() // before the look, so that nothing is missed
		}
		v, err := s.clusterNow()
		switch {
		case err != nil:
			return err
		case v.State == cluster.StateOffline:
			return &lb.UnavailableError{What: "Pacemaker does not answer on this node"}
		case known == nil || v.Epoch != *known || bounded.Err() != nil:
			return respond(c, http.StatusOK, struct {
				Epoch cluster.Epoch `json:"epoch"`
			}{v.Epoch})
		}
		select {
		case <-next:
		case <-bounded.Done():
		}
	}
}

// monitorEpoch reads the query of a monitor request, which is the epoch alone;
// nil: there is none.
func monitorEpoch(query string) (*cluster.Epoch, error) {
	if query == "" {
		return nil, nil //nolint:nilnil // documented
	}
	text, err := url.QueryUnescape(query)
	if err == nil {
		var e cluster.Epoch
		if e, err = cluster.ParseEpoch(text); err == nil {
			return &e, nil
		}
	}
	return nil, invalidField("query", "is not a version of the CIB", "admin_epoch:epoch:num_updates, e.g. 0:12:34")
}

func (s *Server) clusterSimulate(c echo.Context) error {
	a, err := s.clusterAction(c)
	if err != nil {
		return err
	}
	seen, err := s.cfg.ClusterActions.Predict(c.Request().Context(), a)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, seen)
}

func (s *Server) clusterAct(c echo.Context) error {
	a, err := s.clusterAction(c)
	if err != nil {
		return err
	}
	v, err := s.cfg.ClusterActions.Do(c.Request().Context(), a)
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, clusterTag(v))
	return respond(c, http.StatusOK, v)
}

// clusterAction reads an action and checks what must hold for it.
func (s *Server) clusterAction(c echo.Context) (cluster.Action, error) {
	v, err := s.clusterNow()
	if err != nil {
		return cluster.Action{}, err
	}
	kind := c.Param("action")
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
	tags, ifNew, err := conditions(c.Request())
	if err != nil {
		return a, err
	}
	if ifNew || len(tags) > 0 && !slices.Contains(tags, "*") && !slices.Contains(tags, clusterTag(v)) {
		return a, &lb.PreconditionError{ID: "cluster", Current: clusterTag(v)}
	}
	a.Author = s.stamp(c).Author
	return a, nil
}

// followCluster tells of the cluster.
func (s *Server) followCluster(ctx context.Context) error {
	for {
		next := s.cfg.Cluster.Changed()
		switch v := s.cfg.Cluster.View(); v.State {
		case "":
		case cluster.StateNone:
			s.topics.cluster.Replace(nil)
		default:
			object, err := encoded("cluster", "", identified{"cluster", v})
			if err != nil {
				return err
			}
			s.topics.cluster.Replace([]stream.Object{object})
		}
		if !waitRested(ctx, next) {
			return nil
		}
	}
}
