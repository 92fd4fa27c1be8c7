# Computes the output of the action named $output from the messages about images. Uses the first image of each program,
# which is in the main format.
include "images";

def place: .reference // "oci:\(.layout):\(.tags[0])";
def repository: (.reference // "") | split("@")[0] // "";

main_images as $programs
| $programs[0] as $first
| {
    digest: $first.digest,
    image: ($first | place),
    images: ($programs | map(place) | join("\n")),
    tags: ($first | repository as $repository | .tags
        | map(if $repository == "" then . else "\($repository):\(.)" end) | join("\n")),
    size: $first.size,
    metadata: (map(del(.repository)) | tojson),
    repository: ($first | repository),
  }[$output]
