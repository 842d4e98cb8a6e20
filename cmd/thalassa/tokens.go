package main

import (
	"errors"

	"thalassa/auth"
	"thalassa/settings"
)

// tokens opens the file of the API's tokens; nil: there is none.
func (n node) tokens() (*auth.Tokens, error) {
	file := n.settings.TokenFile()
	if file == "" {
		return nil, nil //nolint:nilnil // a nil *auth.Tokens is usable
	}
	tokens, err := auth.Open(file, n.log)
	if err != nil {
		return nil, settings.Error{Err: err}
	}
	return tokens, nil
}

// mayDeploy asks whether the owner of a name has the right to deploy now; nil without
// tokens, where everybody has it.
func mayDeploy(tokens *auth.Tokens) func(name string) error {
	if tokens == nil {
		return nil
	}
	return func(name string) error {
		if tokens.AllowsNow(name, auth.Deploy) {
			return nil
		}
		return errors.New("has no token any more with the role " + auth.Deploy.String() + " or " + auth.Admin.String())
	}
}
