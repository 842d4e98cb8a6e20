package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/lb"
)

// Values of Route.On, which says what a route concerns. Any other value is the id of an object,
// whose name is a parameter of the path: "backend/{key}".
const (
	// OnNode is the whole node. Callers who are limited to objects may only read it, and not even
	// that if the grant hides other objects.
	OnNode = "node"
	// OnMany is several objects. The Agent filters what the caller reads, and checks each change.
	// The handler must filter anything else.
	OnMany = "objects"
	// OnCaller is something that everybody with the role may know, or that belongs to the caller.
	OnCaller = "caller"
)

// object is the id of the object that a request concerns, or Route.On if it is none.
func (r Route) object(c echo.Context) (string, error) {
	kind, param, ok := strings.Cut(r.On, "/{")
	if !ok {
		return r.On, nil
	}
	key, err := name(c, strings.TrimSuffix(param, "}"))
	return kind + "/" + string(key), err
}

// A claim is a request for a right: the route, and the object that it concerns.
type claim struct {
	route  Route
	object string
}

// check checks that a grant is enough for a request.
func (g *guard) check(ctx context.Context, who auth.Identity, q claim) error {
	r := q.route
	if !who.Role.Allows(r.Need) {
		return forbidden(fmt.Sprintf("token %s has the role %s, but %s %s needs the role %s", who.Name, who.Role, r.Method, r.Path, r.Need))
	}
	if !who.IsLimited() || r.On == OnMany || r.On == OnCaller {
		return nil
	}
	if g.reaches(ctx, who.Grant, r.Need, q.object) {
		return nil
	}
	if r.Method == http.MethodGet && strings.Contains(q.object, "/") && r.On != OnNode { // the caller does not see it
		return &lb.NotFoundError{ID: q.object}
	}
	return outside(who.Grant, r.Method+" "+r.Path)
}

// reaches reports whether a grant allows what a role may do to the object of a claim. A grant for
// all backends that use a service includes the service.
func (g *guard) reaches(ctx context.Context, grant auth.Grant, need auth.Role, object string) bool {
	key, isService := strings.CutPrefix(object, "service/")
	switch {
	case !strings.Contains(object, "/"):
		return grant.Allows(need, auth.TheNode)
	case grant.Allows(need, object):
		return true
	case !isService:
		return false
	}
	in, err := g.intent(ctx)
	if err != nil {
		return false
	}
	if need == auth.Read {
		return sight{grant}.seesService(lb.Name(key), in)
	}
	return limits{grant, need}.hasService(lb.Name(key), in)
}

// outside says that a grant is limited to other objects.
func outside(grant auth.Grant, what string) *ResponseError {
	return forbidden("the role " + grant.Role.String() + " is limited to " + strings.Join(grant.Patterns(), ", ") + ", and " + what + " concerns something else")
}

// limitsKey is where a context holds the limits of its caller.
type limitsKey struct{}

// withLimits is a context with the limits of a caller, if there are any.
func withLimits(ctx context.Context, grant auth.Grant, need auth.Role) context.Context {
	if !grant.IsLimited() {
		return ctx
	}
	return context.WithValue(ctx, limitsKey{}, limits{grant, need})
}

// limitsOf are the limits of the caller that a context belongs to; false: there are none.
func limitsOf(ctx context.Context) (limits, bool) {
	l, ok := ctx.Value(limitsKey{}).(limits)
	return l, ok
}

// sightOf is what the caller of a context may see; false: everything.
func sightOf(ctx context.Context) (sight, bool) {
	l, ok := limitsOf(ctx)
	return sight{l.grant}, ok && l.grant.HidesRest()
}

// errChanged is the answer to a request whose caller is limited to other objects than when
// it began.
func errChanged() error {
	return forbidden("your rights were changed while this request waited; send it again")
}
