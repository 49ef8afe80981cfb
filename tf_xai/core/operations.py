"""TensorFlow's operations, by what kind of function they are: what rules need to know of them."""


def names(text):
    """The names in a text, as a set."""
    return frozenset(text.split())


# Values are only moved, left out or repeated.
MOVES = names(
    "Identity Reshape Transpose ConcatV2 Split SplitV Pack Unpack Slice StridedSlice Squeeze ExpandDims Pad PadV2 "
    "MirrorPad Tile BroadcastTo ReverseV2 EnsureShape Gather GatherV2 GatherNd Roll SpaceToBatchND BatchToSpaceND "
    "SpaceToDepth DepthToSpace MatrixDiagV3 MatrixBandPart TensorScatterUpdate ScatterNd ExtractImagePatches "
    "ResizeNearestNeighbor ResizeBilinear ResizeBicubic CheckNumerics"
)
SUMS = names("Add AddV2 AddN Sub BiasAdd")
MEANS = names("Mean Sum Cumsum AvgPool AvgPool3D UnsortedSegmentSum TensorScatterAdd")

# Linear in all inputs that can depend on the explained ones.
LINEAR = MOVES | SUMS | MEANS | {"Neg"}

# Linear in each of several inputs.
CONVOLUTIONS = names("Conv2D Conv3D DepthwiseConv2dNative Conv2DBackpropInput Conv3DBackpropInputV2")
PRODUCTS = names("MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum")
BILINEAR = CONVOLUTIONS | PRODUCTS | {"Mul"}

# Of one variable: smooth; with kinks or jumps.
SMOOTH = names(
    "Tanh Sigmoid Softplus Erf Erfc Exp Expm1 Log Log1p Sqrt Rsqrt Square Reciprocal Inv Pow Sin Cos Tan Sinh Cosh "
    "Asinh Atan Softsign"
)
RECTIFIERS = names("Relu Relu6 Elu Selu LeakyRelu")
KINKED = RECTIFIERS | names("Abs Sign Floor Ceil Round Rint")

# The value passes as it is, whatever the gradient does.
PASSES = names("StopGradient PreventGradient IdentityN")
CALLS = names("PartitionedCall StatefulPartitionedCall")
COMPARISONS = names("Greater GreaterEqual Less LessEqual Equal NotEqual")

# The output does not depend on the values of the inputs.
VALUELESS = names("Shape ShapeN Size Rank ZerosLike OnesLike")
