package gcop

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"cooper"
)

// The names of arguments that several verbs have.
const (
	argBucket   = "bucket"
	argVersions = "versions"
	argHandles  = "handles"
	yes         = "yes"
)

// parameters are where the arguments of an action stand in a Go value, by their names. What is empty is not written; what
// was not written is left as it is.
type parameters[H any] struct {
	texts    map[string]*string
	flags    map[string]*bool
	versions *int
	handles  *[]H
}

// arguments are the parameters as an action has them; key is that of its version.
func (p *parameters[H]) arguments(key string) (map[string]string, error) {
	m := map[string]string{}
	for name, text := range p.texts {
		if *text != "" {
			m[name] = *text
		}
	}
	for name, flag := range p.flags {
		if *flag {
			m[name] = yes
		}
	}
	if p.versions != nil && *p.versions > 0 {
		m[argVersions] = strconv.Itoa(*p.versions)
	}
	if len(*p.handles) > 0 {
		b, err := json.Marshal(*p.handles)
		if err != nil {
			return nil, &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(key), Message: "its handles cannot be written down", Err: err}
		}
		m[argHandles] = string(b)
	}
	return m, nil
}

// read reads the arguments of an action. Anything else than what arguments wrote is KindInvalid: it is not known
// what was meant.
func (p *parameters[H]) read(x *cooper.Action) (err error) {
	for name, value := range x.Args {
		switch text, flag := p.texts[name], p.flags[name]; {
		case text != nil:
			*text = value
		case flag != nil && value == yes:
			*flag = true
		case name == argVersions && p.versions != nil:
			*p.versions, err = strconv.Atoi(value)
		case name == argHandles:
			err = only(value, p.handles)
		default:
			return invalid(x, "an argument that is not known: "+cooper.Quote(name+"="+value), nil)
		}
		if err != nil {
			return invalid(x, "an argument that makes no sense: "+cooper.Quote(name+"="+value), err)
		}
	}
	return nil
}

// only reads JSON into a value, and nothing that the value does not have.
func only(text string, to any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil && d.More() {
		err = errors.New("something follows")
	}
	return err
}
