package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"thalassa/bootstrap"
	"thalassa/client"
	"thalassa/cluster"
	"thalassa/corosync"
	"thalassa/lb"
	"thalassa/settings"
)

// Exit codes; docs/cli.md is their contract with scripts.
const (
	exitOK          = 0
	exitFailure     = 1 // anything not named below
	exitUsage       = 2 // arguments, settings or input are wrong
	exitNotFound    = 3 // no such object
	exitConflict    = 4 // the present state forbids it, or it changed meanwhile
	exitRefused     = 5 // HAProxy, or Pacemaker, does not accept the result
	exitUnavailable = 6 // the agent, Consul or HAProxy is not there now
	exitForbidden   = 7 // the token is missing, unknown, or its role too small
)

// An exitMeaning explains an exit code.
type exitMeaning struct {
	code        int
	short, long string // a few words, and Markdown
}

// exitMeanings are all exit codes in order.
func exitMeanings() []exitMeaning {
	return []exitMeaning{
		{exitOK, "success", "Success. `agent`, `dev`, `top` and the commands with `-f` also end this way on Ctrl-C."},
		{exitFailure, "failure", "Failure for a reason that no other code stands for. `check`: a check failed."},
		{exitUsage, "wrong arguments or input", "Arguments, settings or input are wrong. The message names the field."},
		{exitNotFound, "not found", "The object does not exist."},
		{exitConflict, "conflict", "The current state does not allow the change, for example because the version has no healthy instance, " +
			"or the object was changed at the same time. `deploy --canary`: the backend was rolled back to its previous version, or somebody else changed it."},
		{exitRefused, "refused by HAProxy or Pacemaker", "HAProxy or Pacemaker does not accept the result. Its own message follows."},
		{exitUnavailable, "unavailable", "The agent, or Pacemaker, cannot be reached or cannot answer now. A change was stored but is not yet in effect. " +
			"`deploy --drain`: former members still have connections. `deploy --canary`: the backend could not go back. `status`: HAProxy does not run the requested configuration, or a backend has no member. " +
			"`cluster status`: something failed."},
		{exitForbidden, "not permitted", "The token is missing or unknown, or its role does not allow the request."},
	}
}

// exitSummary is a sentence of the exit codes, in lines of at most 90 characters.
func exitSummary() string {
	var b strings.Builder
	width := len("Exit codes: ")
	for i, m := range exitMeanings() {
		item := fmt.Sprintf("%d %s", m.code, m.short)
		switch {
		case i > 0 && width+len(item)+3 > 90:
			b.WriteString(",\n")
			width = 0
		case i > 0:
			b.WriteString(", ")
			width += 2
		}
		b.WriteString(item)
		width += len(item)
	}
	return b.String() + "."
}

var (
	// errReported ends the program with a failure that was printed already.
	errReported = errors.New("reported")
	// errNotInEffect ends a command whose change is stored and waits for HAProxy.
	errNotInEffect = errors.New("stored, but not yet in effect")
	// errNotReady ends a look at an agent whose HAProxy runs something else.
	errNotReady = errors.New("HAProxy does not run the requested configuration")
	// errEmpty ends a look at an agent with backends that nobody serves.
	errEmpty = errors.New("backends without members")
	// errNotAccepted ends a check of parameters that their agent does not accept.
	errNotAccepted = errors.New("the resource agent does not accept the parameters")
	// errInterrupted ends a command that was told to stop before it was done.
	errInterrupted = errors.New("interrupted before the agent answered")
)

// usageError is a mistake in arguments or settings.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// exitCode maps an error to the code a script sees.
func exitCode(err error) int {
	var usage usageError
	var invalid *lb.InvalidError
	var answer *client.Error
	var agent ocfError
	switch {
	case errors.As(err, &agent):
		return int(agent.Code)
	case err == nil:
		return exitOK
	case isConflict(err):
		return exitConflict
	case errors.Is(err, bootstrap.ErrNoAnswer):
		return exitUnavailable
	case errors.Is(err, bootstrap.ErrNotRoot):
		return exitForbidden
	case errors.As(err, new(*corosync.FieldError)), errors.As(err, &usage), errors.As(err, &invalid), errors.As(err, new(settings.Error)):
		return exitUsage
	case errors.As(err, new(*lb.NotFoundError)):
		return exitNotFound
	case errors.As(err, new(*cluster.Error)):
		return clusterCode(err)
	case errors.As(err, new(*lb.RefusedError)), errors.Is(err, errNotAccepted):
		return exitRefused
	case client.IsUnreachable(err), errors.Is(err, errNotInEffect), errors.Is(err, errNotReady), errors.Is(err, errEmpty), errors.Is(err, errClusterTrouble), errors.As(err, new(*canaryError)),
		errors.As(err, new(*client.UndrainedError)):
		return exitUnavailable
	case errors.As(err, &answer):
		return answerCode(answer)
	}
	return exitFailure
}

// clusterCode is the exit code for the failure of one of Pacemaker's tools.
func clusterCode(err error) int {
	var e *cluster.Error
	errors.As(err, &e)
	switch e.Kind {
	case cluster.KindForbidden:
		return exitForbidden
	case cluster.KindNotFound:
		return exitNotFound
	case cluster.KindStale, cluster.KindExists, cluster.KindUnsafe:
		return exitConflict
	case cluster.KindInvalid:
		return exitRefused
	case cluster.KindNotConnected, cluster.KindNotInstalled, cluster.KindNoQuorum, cluster.KindTimedOut:
		return exitUnavailable
	case cluster.KindUsage, cluster.KindCrashed, cluster.KindFailed:
	}
	return exitFailure
}

// isConflict reports whether the state of the backend ended a deploy.
func isConflict(err error) bool {
	var canary *canaryError
	return errors.As(err, &canary) && canary.exitCode() == exitConflict || errors.As(err, new(*lb.ConflictError)) || errors.As(err, new(*cluster.PlanChangedError)) || errors.As(err, new(*bootstrap.ConflictError))
}

// answerCode is the exit code for what an agent answered. What something else
// answered in its place says nothing about objects and rights.
func answerCode(answer *client.Error) int {
	if answer.Code == "" {
		return exitUnavailable
	}
	switch answer.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return exitUsage
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusUnprocessableEntity:
		return exitRefused
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return exitUnavailable
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitForbidden
	}
	return exitFailure
}

// describe is what the operator reads of an error: beside its sentence every
// bad field of a document, or HAProxy's own words.
func describe(err error) string {
	var answer *client.Error
	if !errors.As(err, &answer) {
		return err.Error()
	}
	switch {
	case answer.Code == "":
		return err.Error() + ": this is not a Thalassa agent"
	case answer.Status == http.StatusUnauthorized:
		return err.Error() + "; set --token-file or THALASSA_TOKEN, or use thalassa login"
	case answer.Output != "":
		words := strings.TrimSpace(answer.Output)
		first, _, _ := strings.Cut(words, "\n")
		return strings.TrimSpace(strings.TrimSuffix(err.Error(), first)) + "\n" + words
	case len(answer.Fields) > 1:
		lines := []string{fmt.Sprintf("%d fields are wrong:", len(answer.Fields))}
		for _, f := range answer.Fields {
			lines = append(lines, "  "+f.Error())
		}
		return strings.Join(lines, "\n")
	}
	return err.Error()
}
