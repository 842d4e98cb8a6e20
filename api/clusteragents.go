package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// clusterAgentsPath is where the resource agents and fence agents are.
const clusterAgentsPath = "/cluster/agents"

// ClusterAgents knows the agents that are installed on this node, as *pacemaker.Agents does.
type ClusterAgents interface {
	// List lists the agents of a class, or of all classes if it is empty.
	List(ctx context.Context, class string) ([]string, error)
	// Agent is what an agent says of itself.
	Agent(ctx context.Context, name string) (cluster.Agent, error)
	// Check has an OCF agent check parameters on this node.
	Check(ctx context.Context, name string, params map[string]string) (cluster.AgentCheck, error)
}

// agentHandlers tell which agents are installed, and what they say of themselves.
type agentHandlers struct {
	clusterHandlers

	agents ClusterAgents // nil: this node is in no cluster
	turns  *budget
}

// turn waits until the caller may have an agent run.
func (h agentHandlers) turn(c echo.Context) (release func(), err error) {
	if _, err := h.status(); err != nil {
		return nil, err
	}
	if h.agents == nil {
		return nil, &lb.UnavailableError{What: "this node does not know its agents"}
	}
	return h.turns.claim(c)
}

// list answers with the names of the agents.
func (h agentHandlers) list(c echo.Context) error {
	p := parameters(c.Request(), "class")
	class := p.text("class")
	if class != "" && !slices.Contains(cluster.AgentClasses(), class) {
		p.add("class", shown(class)+" is no class of agents", strings.Join(cluster.AgentClasses(), ", "))
	}
	if err := p.err(); err != nil {
		return err
	}
	release, err := h.turn(c)
	if err != nil {
		return err
	}
	defer release()
	list, err := h.agents.List(c.Request().Context(), class)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, struct {
		Agents []string `json:"agents"`
	}{orEmpty(list)})
}

// agentOf is the name of the path. Its type may have an escaped slash.
func agentOf(c echo.Context) (string, error) {
	name := c.Param("agent")
	if text, err := url.PathUnescape(name); err == nil {
		name = text
	}
	return cluster.ParseAgentName(name)
}

// show answers with what one says of itself.
func (h agentHandlers) show(c echo.Context) error {
	name, err := agentOf(c)
	if err != nil {
		return err
	}
	release, err := h.turn(c)
	if err != nil {
		return err
	}
	defer release()
	agent, err := h.agents.Agent(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, agent)
}

// check answers with what an agent says of the parameters in the body.
func (h agentHandlers) check(c echo.Context) error {
	name, err := agentOf(c)
	if err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	var in struct {
		Params json.RawMessage `json:"params"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return err
	}
	var fe lb.FieldErrors
	params := parseTexts(&fe, "params", in.Params)
	if err := fe.Err(); err != nil {
		return err
	}
	release, err := h.turn(c)
	if err != nil {
		return err
	}
	defer release()
	out, err := h.agents.Check(c.Request().Context(), name, params)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, out)
}
