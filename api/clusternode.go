package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
)

// clusterNodePath is where other agents of the cluster ask this one.
const clusterNodePath = "/cluster/node"

// ClusterNode answers the agents of other nodes about the services of the cluster on this one, as
// *nodes.Local does. It alone judges who asks: by a key that the nodes of the cluster have.
type ClusterNode interface {
	// Challenge is what the next question must have, as JSON.
	Challenge() ([]byte, error)
	// Answer answers a question as JSON, and says who wants it and for which job.
	Answer(ctx context.Context, verb string, question []byte) (answer []byte, by, job string, err error)
}

// maxDraftQuestion is the maximum size of a question that carries drafts.
const maxDraftQuestion = 6 << 20

// byNode is how the audit log calls the seal of another node.
const byNode auth.ProofKind = "node"

// nodeHandlers answer other agents of the cluster.
type nodeHandlers struct {
	node ClusterNode // nil: this node is in no cluster
	// isSealError reports whether a question is not from a node of the cluster.
	isSealError func(error) bool
}

// challenge answers with what the next question must have.
func (h nodeHandlers) challenge(c echo.Context) error {
	text, err := h.node.Challenge()
	if err != nil {
		return err
	}
	c.Set(lookKey, true)
	return write(c, http.StatusOK, echo.MIMEApplicationJSON, text)
}

// answer answers a question.
func (h nodeHandlers) answer(c echo.Context) error {
	verb := c.Param("verb")
	if h.node == nil || !slices.Contains([]string{"challenge", "start", "stop", "state", "ping", "look", "sync", "leave", "drafts"}, verb) {
		return echo.ErrNotFound
	}
	if verb == "challenge" {
		return h.challenge(c)
	}
	most := int64(maxBody)
	if verb == "drafts" {
		most = maxDraftQuestion
	}
	data, err := bodyOf(c, most)
	if err != nil {
		return err
	}
	text, by, job, err := h.node.Answer(c.Request().Context(), verb, data)
	if slices.Contains([]string{"state", "ping", "look", "drafts"}, verb) && err == nil { // who has changed a draft is recorded on the node of the request
		c.Set(lookKey, true)
	}
	if by != "" {
		who := caller{how: byNode}
		who.Name = by
		c.Set(callerKey, who)
		c.Set(jobKey, job)
	}
	switch {
	case err != nil && h.isSealError(err):
		return forbidden(err.Error())
	case err != nil:
		return err
	}
	return write(c, http.StatusOK, echo.MIMEApplicationJSON, text)
}
