package s3

import (
	"context"

	smithymiddleware "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// unsignedEncoding leaves Accept-Encoding out of what the SDK signs, and adds it
// behind: Google's stores change it before they look at the signature
// (https://github.com/aws/aws-sdk-go-v2/issues/1816).
func unsignedEncoding(stack *smithymiddleware.Stack) error {
	put := func(id, value string) smithymiddleware.FinalizeMiddleware {
		return smithymiddleware.FinalizeMiddlewareFunc(id, func(ctx context.Context, in smithymiddleware.FinalizeInput, next smithymiddleware.FinalizeHandler) (
			smithymiddleware.FinalizeOutput, smithymiddleware.Metadata, error,
		) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				if r.Header.Del(acceptEncoding); value != "" {
					r.Header.Set(acceptEncoding, value)
				}
			}
			return next.HandleFinalize(ctx, in)
		})
	}
	const signing = "Signing"
	if err := stack.Finalize.Insert(put("UnsignedEncoding", ""), signing, smithymiddleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(put("Encoding", acceptAsIs), signing, smithymiddleware.After)
}

const acceptEncoding = "Accept-Encoding"
