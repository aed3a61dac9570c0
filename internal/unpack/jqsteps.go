package unpack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/itchyny/gojq"
)

type (
	jqSeq  []jqStep
	jqAlt  []jqStep
	jqName string
	jqIter struct{}
	jqEach struct{}
	jqJSON int // how many values a document may have
	jqCode struct {
		code   *gojq.Code
		values []any
	}
)

func (s jqSeq) run(ctx context.Context, v any, bad func(string), yield func(any) bool) bool {
	if len(s) == 0 {
		return yield(v)
	}
	return s[0].run(ctx, v, bad, func(w any) bool { return s[1:].run(ctx, w, bad, yield) })
}

func (s jqAlt) run(ctx context.Context, v any, bad func(string), yield func(any) bool) bool {
	for _, step := range s {
		if !step.run(ctx, v, bad, yield) {
			return false
		}
	}
	return true
}

func (s jqName) run(_ context.Context, v any, bad func(string), yield func(any) bool) bool {
	switch v := v.(type) {
	case nil:
		return yield(nil)
	case map[string]any:
		return yield(v[string(s)])
	}
	bad("no object where ." + string(s) + " is asked for: " + jsonText(v))
	return true
}

func (jqIter) run(_ context.Context, v any, bad func(string), yield func(any) bool) bool {
	switch v := v.(type) {
	case []any:
		return list(v, yield)
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if !yield(v[k]) {
				return false
			}
		}
		return true
	}
	bad(notAList(v).Error())
	return true
}

func list(v []any, yield func(any) bool) bool {
	for _, w := range v {
		if !yield(w) {
			return false
		}
	}
	return true
}

func (jqEach) run(_ context.Context, v any, bad func(string), yield func(any) bool) bool {
	switch v := v.(type) {
	case nil:
		return yield(nil)
	case []any:
		return list(v, yield)
	}
	bad(notAList(v).Error())
	return true
}

func (s jqJSON) run(_ context.Context, v any, bad func(string), yield func(any) bool) bool {
	doc, err := jsonIn(v, int(s))
	if err != nil {
		bad(err.Error())
		return true
	}
	return yield(doc)
}

// jsonIn reads JSON in a text. Null passes.
func jsonIn(v any, most int) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return readJSON([]byte(v), most)
	}
	return nil, bad("no text where JSON in a text is asked for: " + jsonText(v))
}

func notAList(v any) error { return bad("not a list: " + jsonText(v)) }

func (s *jqCode) run(ctx context.Context, v any, say func(string), yield func(any) bool) bool {
	it := s.code.RunWithContext(ctx, v, s.values...)
	for {
		w, ok := it.Next()
		if !ok {
			return true
		}
		if err, ok := w.(error); ok {
			var b bad
			switch {
			case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
				say(tooSlow)
			case errors.As(err, &b):
				say(string(b))
			default:
				say("path: " + show(err.Error()))
			}
			return ctx.Err() == nil
		}
		if !yield(w) {
			return false
		}
	}
}

const tooSlow = "the path takes longer than the limit"

// jsonText shows a value in a reason.
func jsonText(v any) string {
	switch v := v.(type) {
	case []any:
		v = v[:min(len(v), 20)]
		b, err := json.Marshal(v)
		if err == nil {
			return show(string(b))
		}
	case map[string]any:
		if len(v) > 20 {
			return "an object"
		}
	}
	b, err := gojq.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	return show(string(b))
}
