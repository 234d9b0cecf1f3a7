// Messages and stacks of failures go where the codec reaches them; the type, which is a code of ours, stays in clear.
// CommonJS, because the SDK loads converters by `require`, and the workflow bundle takes this file as it is.
const { DefaultFailureConverter } = require('@temporalio/common');

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
